# SPDX-License-Identifier: Apache-2.0
# Sourced by quickstart, check and tools/bench: makes sure that distribution packages are there.

# What each set needs, as package=proof. The proof is a program in PATH, a file (with a slash, may be a
# pattern), or nothing, which asks dpkg. A program that came from elsewhere is as good as the package's.
packages_build="
    gcc=gcc libc6-dev=/usr/include/stdio.h cmake=cmake ninja-build=ninja pkg-config=pkg-config
    libssl-dev=/usr/include/openssl/evp.h zlib1g-dev=/usr/include/zlib.h
    libcurl4-openssl-dev=/usr/include/*/curl/curl.h libexpat1-dev=/usr/include/expat.h
    libzstd-dev=/usr/include/zstd.h libxxhash-dev=/usr/include/xxhash.h libjansson-dev=/usr/include/jansson.h libyaml-dev=/usr/include/yaml.h
    libsqlite3-dev=/usr/include/sqlite3.h ca-certificates=/etc/ssl/certs/ca-certificates.crt"
packages_test="
    g++=g++ clang=clang clang-format=clang-format libcmocka-dev=/usr/include/cmocka.h make=make git=git
    libclang-rt-dev= python3=python3 python3-venv= nodejs=node npm=npm rclone=rclone s3cmd=s3cmd
    zsh=zsh fish=fish"
packages_bench="nginx=/usr/sbin/nginx fio=fio openssl=openssl"

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

package_is_there() { # PACKAGE PROOF
    case $1 in
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null && return 0 ;;
    libclang-rt-dev) [ -n "$(find /usr/lib -name 'libclang_rt.fuzzer*' -print -quit)" ] && return 0 ;;
    esac
    case $2 in
    '') dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed' ;;
    */*) compgen -G "$2" >/dev/null ;;
    *) command -v "$2" >/dev/null 2>&1 ;;
    esac
}

packages_missing() { # SETS...
    for entry in "$@"; do
        package_is_there "${entry%%=*}" "${entry#*=}" || printf '%s ' "${entry%%=*}"
    done
}

# Runs apt-get so that the services of new packages (nginx) neither start now nor with the machine.
apt_install() { # RUN PACKAGES...
    local run=$1 policy=/usr/sbin/policy-rc.d has_policy=yes status=0
    shift
    if [ ! -e "$policy" ]; then
        has_policy=no
        printf '#!/bin/sh\nexit 101\n' | $run tee "$policy" && $run chmod 755 "$policy"
    fi
    { $run apt-get update -q &&
        $run env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"; } || status=$?
    [ "$has_policy" = yes ] || $run rm -f "$policy"
    case " $* " in
    *' nginx '*) command -v systemctl >/dev/null && $run systemctl disable nginx || true ;;
    esac
    return "$status"
}

# Installs what is missing; touches neither network nor package database when nothing is.
need_packages() { # ENTRIES...
    local missing run=
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "these packages (Debian names) are missing: $missing"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "run it as root, or install first: apt-get install $missing"
        run=sudo
    fi
    say "installing: $missing"
    mkdir -p build/logs
    # shellcheck disable=SC2086
    apt_install "$run" $missing >build/logs/apt.log 2>&1 </dev/null || {
        tail -n 5 build/logs/apt.log >&2
        die "could not install packages; the whole log is build/logs/apt.log"
    }
}
