#!/usr/bin/env bash
# Records what a peer sends, with ffmpeg. Needs curl and ffmpeg.
set -euo pipefail

server=http://127.0.0.1:3000 room="" peer="" out="" token="" id="" here=127.0.0.1 port=5004 seconds=""

usage() {
    cat <<'TEXT'
Usage: receive-ffmpeg.sh --room ROOM --peer PEER [options] OUT.mkv

Records the Opus sound and the VP8 picture that a peer sends; Ctrl-C ends it.

  --room ROOM      the room
  --peer PEER      whose sound and picture
  --server URL     where the node is (http://127.0.0.1:3000)
  --here ADDRESS   where the node reaches this machine (127.0.0.1)
  --port PORT      the first of four UDP ports here, an even one (5004)
  --seconds N      end after so many
  --id ID          the peer's name in the room, which a token may prescribe (made up)
  --token TOKEN    if the node wants one (plenum token); PLENUM_TOKEN counts, too
  --help           this
TEXT
}

while (($#)); do
    case $1 in
    --room) room=${2:?--room wants a name} && shift ;;
    --peer) peer=${2:?--peer wants a name} && shift ;;
    --server) server=${2:?--server wants a URL} && shift ;;
    --here) here=${2:?--here wants an address} && shift ;;
    --port) port=${2:?--port wants a number} && shift ;;
    --seconds) seconds=${2:?--seconds wants a number} && shift ;;
    --id) id=${2:?--id wants a name} && shift ;;
    --token) token=${2:?--token wants a token} && shift ;;
    --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) out=$1 ;;
    esac
    shift
done
token=${token:-${PLENUM_TOKEN:-}}
if [[ -z $room || -z $peer || -z $out ]]; then
    usage >&2
    exit 2
fi

id=${id:-receiver-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')}
base=${server%/}/rooms/$room/broadcasters

# call METHOD URL [BODY]: prints the answer; what went wrong goes to standard error.
call() {
    local headers=(-H 'Content-Type: application/json' -H "Origin: ${server%/}")
    [[ -z $token ]] || headers+=(-H "Authorization: Bearer $token")
    curl -sS --fail-with-body --max-time 20 -X "$1" "${headers[@]}" ${3:+--data-binary "$3"} "$2"
}

# member NAME: the value of the first member of this name in the JSON on standard input.
member() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }

# Ends with this script even if that is killed without a chance to clean up (util-linux).
guarded=(env)
if command -v setpriv >/dev/null; then guarded=(setpriv --pdeathsig TERM); fi
session=$(mktemp --suffix .sdp) recorder=""
finish() {
    trap - EXIT
    [[ -z $recorder ]] || kill -INT "$recorder" 2>/dev/null || true
    [[ -z $recorder ]] || wait "$recorder" || true
    call DELETE "$base/$id" >/dev/null 2>&1 || true
    rm -f "$session"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

audio='{"kind":"audio","mimeType":"audio/opus","preferredPayloadType":100,"clockRate":48000,"channels":2}'
video='{"kind":"video","mimeType":"video/VP8","preferredPayloadType":101,"clockRate":90000,"rtcpFeedback":[{"type":"nack","parameter":"pli"}]}'
capabilities="{\"codecs\":[$audio,$video],\"headerExtensions\":[]}"
device='{"name":"FFmpeg","flag":"ffmpeg"}'
peers=$(call POST "$base" \
    "{\"id\":\"$id\",\"displayName\":\"Recorder\",\"device\":$device,\"rtpCapabilities\":$capabilities}")

# What the peer sends of a kind: cut its entry out, then the producer of this kind.
producer() {
    local entry=${peers#*"\"id\":\"$peer\""}
    [[ $entry != "$peers" ]] || return 0
    entry=${entry#*'"producers":['}
    grep -o "{\"id\":\"[^\"]*\",\"kind\":\"$1\"}" <<<"${entry%%]*}" | head -n 1 | cut -d '"' -f 4
}
sound=$(producer audio || true) picture=$(producer video || true)
if [[ -z $sound && -z $picture ]]; then
    echo "$peer sends nothing in $room that can be recorded" >&2
    exit 1
fi

printf 'v=0\r\no=- 0 0 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n' "$here" "$here" >"$session"
consumers=()
# receive PRODUCER KIND PORT PAYLOAD_TYPE FORMAT
receive() {
    local made transport consumer
    made=$(call POST "$base/$id/transports" '{"type":"plain","comedia":false,"rtcpMux":false}')
    transport=$(member id <<<"$made")
    call POST "$base/$id/transports/$transport/connect" \
        "{\"ip\":\"$here\",\"port\":$3,\"rtcpPort\":$(($3 + 1))}" >/dev/null
    made=$(call POST "$base/$id/transports/$transport/consume" \
        "{\"producerId\":\"$1\",\"paused\":true,\"rtpCapabilities\":$capabilities}")
    consumer=$(member id <<<"$made")
    consumers+=("$transport $consumer")
    printf 'm=%s %s RTP/AVP %s\r\na=rtpmap:%s %s\r\n' "$2" "$3" "$4" "$4" "$5" >>"$session"
}
[[ -z $sound ]] || receive "$sound" audio "$port" 100 opus/48000/2
[[ -z $picture ]] || receive "$picture" video $((port + 2)) 101 VP8/90000

"${guarded[@]}" ffmpeg -hide_banner -loglevel error -nostdin -y -protocol_whitelist file,udp,rtp -i "$session" \
    ${seconds:+-t "$seconds"} -c copy "$out" &
recorder=$!
# It must listen before the key frame comes with which a picture begins.
until grep -q ":$(printf '%04X' "$port") \|:$(printf '%04X' $((port + 2))) " /proc/net/udp /proc/net/udp6; do
    kill -0 "$recorder" 2>/dev/null || exit 1
    sleep 0.1
done
for pair in "${consumers[@]}"; do
    read -r transport consumer <<<"$pair"
    call POST "$base/$id/transports/$transport/resume" "{\"consumerId\":\"$consumer\"}" >/dev/null
done
echo "recording $peer of room $room to $out; Ctrl-C ends it"
wait "$recorder"
recorder=""
