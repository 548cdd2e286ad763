#!/usr/bin/env bash
# Installs what building and testing need on Debian and Ubuntu. May be run again at any time: what is there is left
# alone. Works as root or with sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TOOLS="$PWD/target/tools"
# The page's build tools need it; Debian 12 has 18.
readonly NODE_MAJOR=20
export PATH="$TOOLS/node_modules/node/bin:$HOME/.cargo/bin:$PATH"

say() { printf 'setup: %s\n' "$*"; }

as_root() {
    if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

have() { command -v "$1" >/dev/null 2>&1; }

has_gstreamer_element() { gst-inspect-1.0 --exists "$1" >/dev/null 2>&1; }

# Packages whose command or header files are missing.
missing_packages() {
    have cc && have c++ || echo build-essential
    have curl || echo curl
    have git || echo git
    have pkg-config || echo pkg-config
    have valgrind || echo valgrind
    # Tests only: OpenSSL is the other side of DTLS handshakes there.
    pkg-config --exists openssl 2>/dev/null || echo libssl-dev
    # Tests only: the document's recipe for certificates of nodes.
    have openssl || echo openssl
    # Tests only: they publish into plain transports and play from them.
    have ffmpeg || echo ffmpeg
    # Tests only: the TURN server that clients get names and passwords for.
    have turnserver || echo coturn
    # Tests and `make cluster`: what keeps a cluster together. The same program is its Sentinel.
    have redis-server || echo redis-server
    # Tests only: nodes with networks of their own, between which it can be cut.
    have ip || echo iproute2
    have ethtool || echo ethtool
    # Tests only: of what two nodes say to each other, some is kept back.
    have nft || echo nftables
    # Tests only: nodes whose clocks jump.
    compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || echo libfaketime
    # Checks of manifests for Kubernetes.
    python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
    have gst-launch-1.0 || echo gstreamer1.0-tools
    has_gstreamer_element opusenc || echo gstreamer1.0-plugins-base
    has_gstreamer_element vp8enc || echo gstreamer1.0-plugins-good
    have node || echo nodejs
    have npm || echo npm
    have chromium || have chromium-browser || have google-chrome || echo chromium
    # Chromium draws nothing readable without any font.
    [[ -n $(fc-list 2>/dev/null | head -n 1) ]] || echo fontconfig fonts-dejavu-core
}

install_packages() {
    local packages
    mapfile -t packages < <(missing_packages | tr ' ' '\n')
    if [[ ${#packages[@]} == 0 ]]; then return; fi
    if ! have apt-get; then
        say "please install by hand: ${packages[*]}"
        exit 1
    fi
    say "installing ${packages[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ca-certificates "${packages[@]}"
}

check_rust() {
    if ! have cargo; then
        say "Rust is missing: install it as https://rustup.rs says, then run this again"
        exit 1
    fi
    if have rustup; then
        for component in clippy rustfmt; do
            rustup component list --installed | grep -q "^$component" || rustup component add "$component"
        done
    fi
}

install_node() {
    local major
    major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
    if ((major >= NODE_MAJOR)); then return; fi
    say "installing Node $NODE_MAJOR for this repository"
    npm install --silent --no-audit --no-fund --no-save --prefix "$TOOLS" "node@$NODE_MAJOR"
}

# `npm ci` where the lock file is newer than what was installed from it.
install_npm_packages() {
    local directory=$1 installed=$1/node_modules/.package-lock.json
    if [[ ! -f $directory/package-lock.json || $installed -nt $directory/package-lock.json ]]; then return; fi
    say "installing packages of $directory"
    (cd "$directory" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent --no-audit --no-fund)
    touch "$installed"
}

install_packages
check_rust
install_node
install_npm_packages web
install_npm_packages tests/e2e
say "ready: $(rustc --version), node $(node --version)"
