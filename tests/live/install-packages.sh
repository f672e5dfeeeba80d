#!/bin/sh
# Install what the live tests run, where it is missing: as root with apt-get, else say in one line what is missing.
#
#   install-packages.sh               the packages whose program is not on this machine
#   install-packages.sh PACKAGE...    these packages
#
# Always exits 0: without them the live tests skip themselves, or fail when CI=true.
set -u
PATH=$PATH:/usr/sbin:/sbin

programs='
dockerd         docker.io
docker-compose  docker-compose
docker-registry docker-registry
nginx           nginx-light
sshd            openssh-server
sudo            sudo
skopeo          skopeo
busybox         busybox-static
cron            cron
htpasswd        apache2-utils
iptables        iptables
openssl         openssl
named           bind9
'

packages=$*
if [ -z "$packages" ]; then
    packages=$(printf '%s' "$programs" | while read -r program package; do
        [ -z "$program" ] || command -v "$program" >/dev/null || echo "$package"
    done)
    packages=$(echo $packages) # on one line
fi
[ -n "$packages" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing: $packages; as root: apt-get install --no-install-recommends $packages" >&2
    exit 0
fi

# Nothing that is installed here may start a service: packages ask policy-rc.d, and 101 means no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
echo "installing: $packages" >&2
apt-get update -qq </dev/null &&
    apt-get install -y -qq --no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 $packages </dev/null >/dev/null ||
    echo "apt-get could not install: $packages" >&2
exit 0
