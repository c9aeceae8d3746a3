#!/usr/bin/env bash
# The PostgreSQL servers of a private cluster: where they live, how they are made and started. Part of
# ops/cluster, which has the folder, the options and the processes.
# shellcheck disable=SC2034,SC2154

find_postgres() {
    local folder
    for folder in "${FLORIN_PG_BIN:-}" "$(dirname "$(command -v initdb || printf /nowhere/x)")" \
        $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort -Vr); do
        if [[ -x $folder/initdb && -x $folder/postgres ]]; then
            pg_bin=$folder
            return
        fi
    done
    die "PostgreSQL's server programs are not here; install them (Debian: apt install" \
        "postgresql-15), or name their folder in FLORIN_PG_BIN"
}

# setpriv becomes the program, where runuser would stay as its parent under another id.
as_owner=()
if ((EUID == 0)); then as_owner=(setpriv --reuid=postgres --regid=postgres --init-groups --); fi

owner() { if ((EUID == 0)); then printf postgres; else id -un; fi; }

# Ends servers and removes a folder of which this cluster has lost the link, as after `rm -r run`.
remove_lost_home() {
    local home of data pid
    ((EUID == 0)) || return 0
    for home in /var/tmp/florin-pg.*; do
        { IFS='' read -r of <"$home/of"; } 2>/dev/null || continue
        [[ $of == "$dir" && $(stat -c %U "$home") == postgres ]] || continue
        for data in "$home"/shard-*; do
            { read -r pid <"$data/postmaster.pid"; } 2>/dev/null || continue
            in_folder "$pid" "$data" || continue
            kill -QUIT "$pid"
            wait_for "$DRAIN_S" not_in_folder "$pid" "$data" || die "process $pid does not end"
        done
        rm -rf "$home"
    done
}
in_folder() { [[ $(readlink "/proc/$1/cwd") == "$2" ]]; } # PID FOLDER
not_in_folder() { ! in_folder "$1" "$2"; }

make_home() {
    local home
    if [[ -L $dir/pg ]]; then
        home=$(readlink "$dir/pg")
        [[ -d $home && $(stat -c '%U %a' "$home") == 'postgres 700' ]] ||
            die "$dir/pg leads to $home, which is not what it was; down --delete starts anew"
        return
    fi
    [[ -d $dir/pg ]] && return
    remove_lost_home
    mkdir -m 0700 "$dir/pg"
    if ((EUID == 0)); then
        id postgres >/dev/null 2>&1 || die "as root, PostgreSQL runs as postgres; no such user here"
        chown postgres "$dir/pg"
        if ! "${as_owner[@]}" test -w "$dir/pg" 2>/dev/null; then
            rmdir "$dir/pg"
            home=$(mktemp -d /var/tmp/florin-pg.XXXXXX)
            printf '%s\n' "$dir" >"$home/of"
            chown postgres "$home"
            ln -s "$home" "$dir/pg"
        fi
    fi
}

# The sockets' folder is named in connection strings, also in the control database: it has to be
# short, plain, and always the same. Where pg/ is not, pg/sock is a link to one in /tmp.
make_sockets() {
    local home
    home=$(readlink -f "$dir/pg")
    sockets=$home/sock
    if [[ ! $home =~ ^[A-Za-z0-9/._-]+$ ]] || ((${#home} > SOCKET_FOLDER_BYTES_MAX)); then
        [[ -L $home/sock ]] || ln -s "$(mktemp -du /tmp/florin-sock.XXXXXXXX)" "$home/sock"
        sockets=$(readlink "$home/sock")
    fi
    if [[ ! -d $sockets ]]; then # new, or /tmp was emptied
        mkdir -m 0700 "$sockets"
        ((EUID != 0)) || chown postgres "$sockets"
    fi
    [[ $(stat -c '%U %a' "$sockets") == "$(owner) 700" ]] ||
        die "$sockets, where the databases' sockets go, is not ours"
}

conninfo() { # SHARD|control
    local database=florin shard=$1
    [[ $1 != control ]] || database=florin_control shard=0
    printf 'host=%s port=%d user=florin dbname=%s' "${address[shard-$shard]:-$sockets}" \
        $((5432 + shard)) "$database"
}

initialise() { # SHARD: a database cluster whose superuser is postgres; florin owns its databases
    local home data
    home=$(readlink -f "$dir/pg")
    data=$home/shard-$1
    [[ ! -f $data/PG_VERSION ]] || return 0
    rm -rf "$data.new"
    "${as_owner[@]}" "$pg_bin/initdb" --pgdata="$data.new" --username=postgres --auth=trust \
        --encoding=UTF8 --no-locale --data-checksums >>"$dir/log/shard-$1.log" 2>&1 || return
    # Only the socket leads in, and only its folder's owner and root come to the socket; on a host of
    # its own, its neighbours come in, too.
    {
        say 'local all all trust'
        [[ ! -v address[shard-$1] ]] || say 'host florin,florin_control florin samenet trust'
    } | "${as_owner[@]}" tee "$data.new/pg_hba.conf" >/dev/null
    "${as_owner[@]}" tee -a "$data.new/postgresql.conf" >/dev/null <<SETTINGS

# What ops/cluster sets.
listen_addresses = '${address[shard-$1]:-}'
fsync = on
synchronous_commit = on
max_prepared_transactions = 64
max_connections = 300
cluster_name = 'florin shard-$1'
log_line_prefix = '%m [%p] %u@%d '
jit = off
max_wal_size = 2GB
SETTINGS
    mv "$data.new" "$data"
}

superuser() { # SHARD [ARG...]: psql as one; a frozen server never answers
    timeout "$START_S" psql -XqAt -v ON_ERROR_STOP=1 -h "$sockets" -p $((5432 + $1)) -U postgres \
        -d postgres "${@:2}"
}

# Ready, or not running any more.
postgres_settled() { # SHARD
    gone "shard-$1" || superuser "$1" -c 'select 1' >/dev/null 2>&1
}

start_postgres() { # SHARD
    local deadline=$((SECONDS + START_S)) data
    data=$(readlink -f "$dir/pg")/shard-$1
    # After a kill -9, its last children may live a moment longer and hold the data: try again.
    while gone "shard-$1"; do
        ((SECONDS < deadline)) || return 1
        spawn "shard-$1" "${as_owner[@]}" "$pg_bin/postgres" -D "$data" -k "$sockets" \
            -p $((5432 + $1))
        wait_for "$START_S" postgres_settled "$1" || return 1
        if gone "shard-$1"; then sleep 0.2; fi
    done
}

make_databases() { # SHARD: those that are not there yet
    local name names=(florin)
    (($1 > 0)) || names+=(florin_control)
    {
        say "select 'create role florin login' where not exists" \
            "(select from pg_roles where rolname = 'florin') \\gexec"
        for name in "${names[@]}"; do
            say "select 'create database $name owner florin' where not exists" \
                "(select from pg_database where datname = '$name') \\gexec"
        done
    } | superuser "$1"
}

one_shard_up() {
    initialise "$1" && start_postgres "$1" && make_databases "$1" && return
    printf 'ops/cluster: shard-%s did not start; its log ends with\n' "$1" >&2
    log_tail "shard-$1"
    return 1
}

postgres_up() {
    local shard jobs=() failed=''
    find_postgres
    command -v psql >/dev/null || die "psql is not here; install it (Debian: postgresql-client)"
    make_home
    make_sockets
    for ((shard = 0; shard < shards; shard++)); do
        if gone "shard-$shard"; then
            say "starting shard-$shard"
            started+=("shard-$shard")
        fi
        one_shard_up "$shard" 9>&- &
        jobs+=($!)
    done
    for shard in "${jobs[@]}"; do wait "$shard" || failed=yes; done
    [[ -z $failed ]] || die "PostgreSQL did not start"
}
