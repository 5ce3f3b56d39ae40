#!/usr/bin/env bash
# How many instructions the gate adds to a request whose token is cached, counted with valgrind's callgrind:
# a figure that no busy machine blurs. The token's AES-GMAC is counted apart, since each processor has its own way with it.
#
# Fails when the figure has risen by more than a twentieth over the one in benches/instructions.txt, or when a hundred
# gates behind one layer cost more than they should.
# `benches/instructions.sh record` writes that one anew.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v valgrind >/dev/null || { echo 'valgrind is needed: apt-get install valgrind' >&2; exit 1; }

target=${CARGO_TARGET_DIR:-target}
cargo build --release --locked --manifest-path benches/instructions/Cargo.toml --target-dir "$target"
program=$target/release/toolgate-instructions

# Per request: the program sends a thousand.
instructions_in() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no --toggle-collect="*$1*" \
        "$program" 2>&1 | sed -n 's/.*Collected : \([0-9]*\)[0-9]\{3\}$/\1/p'
}

through=$(instructions_in through_the_gate)
past=$(instructions_in past_the_gate)
fingerprint=$(instructions_in only_the_fingerprint)
[[ $through && $past && $fingerprint ]] || { echo 'nothing was counted' >&2; exit 1; }
own=$((through - past - fingerprint))

if [[ ${1-} == record ]]; then
    echo "$own" >benches/instructions.txt
fi
recorded=$(<benches/instructions.txt)
echo "a cached token costs $own instructions besides its fingerprint's $fingerprint; $recorded are recorded"
((own * 20 <= recorded * 21)) || { echo 'that is too many' >&2; exit 1; }

beside_none=$(instructions_in beside_no_gate)
for others in its_host:450 other_hosts:700; do
    beside=$(instructions_in "beside_gates_of_${others%:*}")
    [[ $beside_none && $beside ]] || { echo 'nothing was counted' >&2; exit 1; }
    more=$((beside - beside_none))
    echo "  beside 99 gates of ${others%:*}: $more more, of at most ${others#*:}"
    ((more <= ${others#*:})) || { echo 'that is too many' >&2; exit 1; }
done
