#!/usr/bin/env bash
# Publishes a file, or a test picture with a tone, into a room with ffmpeg. Needs curl and ffmpeg.
set -euo pipefail

server=http://127.0.0.1:3000 room="" file="" name=Broadcaster token="" id="" loop=0

usage() {
    cat <<'TEXT'
Usage: broadcast-ffmpeg.sh --room ROOM [options] [FILE]

Publishes FILE, or a test picture with a tone, into a room; Ctrl-C ends it.

  --room ROOM      the room
  --server URL     where the node is (http://127.0.0.1:3000)
  --name NAME      what the others see (Broadcaster)
  --id ID          the peer's name in the room, which a token may prescribe (made up)
  --token TOKEN    if the node wants one (plenum token); PLENUM_TOKEN counts, too
  --loop           begin again when the file ends
  --help           this
TEXT
}

while (($#)); do
    case $1 in
    --room) room=${2:?--room wants a name} && shift ;;
    --server) server=${2:?--server wants a URL} && shift ;;
    --name) name=${2:?--name wants a name} && shift ;;
    --id) id=${2:?--id wants a name} && shift ;;
    --token) token=${2:?--token wants a token} && shift ;;
    --loop) loop=-1 ;;
    --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) file=$1 ;;
    esac
    shift
done
token=${token:-${PLENUM_TOKEN:-}}
if [[ -z $room ]]; then
    usage >&2
    exit 2
fi
if [[ -n $file && ! -r $file ]]; then
    echo "cannot read $file" >&2
    exit 2
fi

# What a JSON string, or a part of a path, must not contain as it is is left out.
plain() { tr -d '\\"\n\r' <<<"$1"; }
id=${id:-ffmpeg-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')}
base=${server%/}/rooms/$room/broadcasters

# call METHOD URL [BODY]: prints the answer; what went wrong goes to standard error.
call() {
    local headers=(-H 'Content-Type: application/json' -H "Origin: ${server%/}")
    [[ -z $token ]] || headers+=(-H "Authorization: Bearer $token")
    curl -sS --fail-with-body --max-time 20 -X "$1" "${headers[@]}" ${3:+--data-binary "$3"} "$2"
}

# member NAME: the value of a member in the JSON on standard input; names are unique in these answers.
member() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

# Ends with this script even if that is killed without a chance to clean up (util-linux).
guarded=(env)
if command -v setpriv >/dev/null; then guarded=(setpriv --pdeathsig TERM); fi
encoder=""
finish() {
    trap - EXIT
    [[ -z $encoder ]] || kill "$encoder" 2>/dev/null || true
    call DELETE "$base/$id" >/dev/null 2>&1 || true
}
# Before it is registered, so that nothing can come in between.
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

device='{"name":"FFmpeg","flag":"ffmpeg"}'
call POST "$base" "{\"id\":\"$id\",\"displayName\":\"$(plain "$name")\",\"device\":$device}" >/dev/null

# transport: prints where to send RTP and RTCP to, after the identifier.
transport() {
    local made
    made=$(call POST "$base/$id/transports" '{"type":"plain","comedia":true,"rtcpMux":false}')
    echo "$(member id <<<"$made") $(member ip <<<"$made") $(member port <<<"$made") $(member rtcpPort <<<"$made")"
}
read -r audio audio_ip audio_port audio_rtcp < <(transport)
read -r video video_ip video_port video_rtcp < <(transport)

# produce TRANSPORT KIND CODEC SSRC
produce() {
    call POST "$base/$id/transports/$1/producers" \
        "{\"kind\":\"$2\",\"rtpParameters\":{\"codecs\":[$3],\"encodings\":[{\"ssrc\":$4}]}}" >/dev/null
}
produce "$audio" audio \
    '{"mimeType":"audio/opus","payloadType":100,"clockRate":48000,"channels":2,"parameters":{"sprop-stereo":1}}' 1111
produce "$video" video '{"mimeType":"video/VP8","payloadType":101,"clockRate":90000}' 2222

if [[ -n $file ]]; then
    input=(-re -stream_loop "$loop" -i "$file")
    maps=(-map '0:a:0?' -map 0:v:0)
else
    input=(-re -f lavfi -i sine=frequency=440:sample_rate=48000 -re -f lavfi -i testsrc=size=640x360:rate=25)
    maps=(-map 0:a:0 -map 1:v:0)
fi
# An address of IPv6 stands in brackets in a URL.
host() { if [[ $1 == *:* ]]; then echo "[$1]"; else echo "$1"; fi; }
sound="[select=a:f=rtp:ssrc=1111:payload_type=100]rtp://$(host "$audio_ip"):$audio_port?rtcpport=$audio_rtcp&pkt_size=1200"
picture="[select=v:f=rtp:ssrc=2222:payload_type=101]rtp://$(host "$video_ip"):$video_port?rtcpport=$video_rtcp&pkt_size=1200"
# It does not listen to requests for key frames: one a second, for those who come later.
"${guarded[@]}" ffmpeg -hide_banner -loglevel error -nostdin "${input[@]}" "${maps[@]}" \
    -c:a libopus -ac 2 -ar 48000 -b:a 64k \
    -c:v libvpx -deadline realtime -cpu-used 6 -b:v 1M -pix_fmt yuv420p -force_key_frames 'expr:gte(t,n_forced)' \
    -f tee "$sound|$picture" &
encoder=$!
echo "publishing in room $room as $(plain "$name"); Ctrl-C ends it"
wait "$encoder"
