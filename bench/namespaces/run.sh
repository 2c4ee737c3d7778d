#!/usr/bin/env bash
# bench/namespaces/run.sh RATE COMMAND...: two machines made of network namespaces on this one, joined by a link of RATE (tc's
# words: 1gbit, 10gbit), and COMMAND run by one process on each. Needs root, iproute2, Open MPI. Exit code 77: not allowed here.
set -euo pipefail
if (($# < 2)); then
  sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"
  exit 2
fi
rate=$1
shift
scratch=$(mktemp -d)
first=strata-$$-1 second=strata-$$-2
clean() {
  ip netns del "$first" 2>/dev/null || true
  ip netns del "$second" 2>/dev/null || true
  rm -rf "$scratch"
}
trap clean EXIT
if ! { ip netns add "$first" && ip netns add "$second" && ip link add s1 netns "$first" type veth peer name s2 netns "$second"; } 2>"$scratch/why"; then
  echo "bench/namespaces: SKIPPED: network namespaces are not allowed here ($(tr '\n' ' ' <"$scratch/why"))" >&2
  exit 77
fi
for i in 1 2; do
  name=strata-$$-$i
  ip -n "$name" addr add "10.77.0.$i/24" dev "s$i"
  ip -n "$name" link set "s$i" up
  ip -n "$name" link set lo up
  if ! tc -n "$name" qdisc add dev "s$i" root tbf rate "$rate" burst 12mb latency 50ms 2>"$scratch/why"; then
    echo "bench/namespaces: SKIPPED: links cannot be limited here ($(tr '\n' ' ' <"$scratch/why"))" >&2
    exit 77
  fi
done
# In place of ssh: HOST COMMAND.
cat >"$scratch/agent" <<AGENT
#!/bin/bash
host=\$1; shift
exec ip netns exec strata-$$-\${host##*.} unshare --uts bash -c "hostname machine-\${host##*.}; \$*"
AGENT
chmod +x "$scratch/agent"
printf '10.77.0.1 slots=1\n10.77.0.2 slots=1\n' >"$scratch/hosts"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ip netns exec "$first" unshare --uts bash -c 'hostname machine-1; exec "$@"' mpirun mpirun --hostfile "$scratch/hosts" -n 2 \
  --bind-to none --mca plm_rsh_agent "$scratch/agent" --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
  --mca oob_tcp_if_include 10.77.0.0/24 --mca pml ob1 -x OMP_NUM_THREADS=1 "$@"
