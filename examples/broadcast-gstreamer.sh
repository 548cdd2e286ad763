#!/usr/bin/env bash
# Publishes a file, or a test picture with a tone, into a room with GStreamer. Needs curl and gst-launch-1.0.
set -euo pipefail

server=http://127.0.0.1:3000 room="" file="" name=Broadcaster token="" id=""

usage() {
    cat <<'TEXT'
Usage: broadcast-gstreamer.sh --room ROOM [options] [FILE]

Publishes FILE (with sound and picture), or a test picture with a tone, into a room; Ctrl-C ends it.

  --room ROOM      the room
  --server URL     where the node is (http://127.0.0.1:3000)
  --name NAME      what the others see (Broadcaster)
  --id ID          the peer's name in the room, which a token may prescribe (made up)
  --token TOKEN    if the node wants one (plenum token); PLENUM_TOKEN counts, too
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

plain() { tr -d '\\"\n\r' <<<"$1"; }
id=${id:-gstreamer-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')}
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
pipeline=""
finish() {
    trap - EXIT
    [[ -z $pipeline ]] || kill "$pipeline" 2>/dev/null || true
    call DELETE "$base/$id" >/dev/null 2>&1 || true
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

device='{"name":"GStreamer","flag":"gstreamer"}'
call POST "$base" "{\"id\":\"$id\",\"displayName\":\"$(plain "$name")\",\"device\":$device}" >/dev/null

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
# Whoever comes later asks for a key frame, and this pipeline hears it.
feedback='[{"type":"nack","parameter":"pli"},{"type":"ccm","parameter":"fir"}]'
produce "$video" video \
    "{\"mimeType\":\"video/VP8\",\"payloadType\":101,\"clockRate\":90000,\"rtcpFeedback\":$feedback}" 2222

if [[ -n $file ]]; then
    source=(filesrc "location=$file" ! decodebin name=source)
    sound=(source. ! queue) picture=(source. ! queue)
else
    source=()
    sound=(audiotestsrc is-live=true freq=440 volume=0.2) picture=(videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1)
fi
"${guarded[@]}" gst-launch-1.0 -q rtpbin name=bin rtp-profile=avpf "${source[@]}" \
    "${sound[@]}" ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 \
    ! opusenc ! rtpopuspay pt=100 ssrc=1111 ! bin.send_rtp_sink_0 \
    bin.send_rtp_src_0 ! udpsink "host=$audio_ip" "port=$audio_port" \
    bin.send_rtcp_src_0 ! udpsink "host=$audio_ip" "port=$audio_rtcp" sync=false async=false \
    "${picture[@]}" ! videoconvert ! vp8enc deadline=1 cpu-used=6 target-bitrate=1000000 keyframe-max-dist=50 \
    ! rtpvp8pay pt=101 ssrc=2222 ! bin.send_rtp_sink_1 \
    bin.send_rtp_src_1 ! udpsink "host=$video_ip" "port=$video_port" \
    bin.send_rtcp_src_1 ! udpsink "host=$video_ip" "port=$video_rtcp" sync=false async=false &
pipeline=$!
echo "publishing in room $room as $(plain "$name"); Ctrl-C ends it"
wait "$pipeline"
