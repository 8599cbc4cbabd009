// SPDX-License-Identifier: ISC
//! The scripts, each a test of its own.

use super::{play::play, wire::Family};

macro_rules! scripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let script = include_str!(concat!("../scripts/", stringify!($name), ".txt"));
                play(stringify!($name), script, Family::V4);
            }
        )*
    };
}

scripts! {
    abort
    ack_blind
    backlog
    connect
    connect_forged_reset
    connect_plain
    connect_refused
    connect_repeat
    connect_wrong_ack
    data_after_drop
    data_on_syn
    delayed_ack
    drop_unread
    dsack
    ecn_echo
    ecn_offered
    fast_retransmit
    fin_data
    fin_repeat
    fin_wait_2
    fin_with_data
    give_up
    half_close
    handshake
    handshake_again
    handshake_data
    handshake_options
    handshake_repeat
    handshake_reset
    handshake_wrong_ack
    icmp_connecting
    icmp_established
    icmp_soft
    idle
    idle_restart
    initial_window
    keepalive
    nagle
    nagle_full
    no_ack
    nodelay
    out_of_order
    outside_window
    overlap
    path_mtu
    path_mtu_forged
    paws
    paws_wrap
    peer_closes
    peer_mss
    peer_mss_timestamps
    piggyback
    rack
    rack_reordering
    refuse
    reset_blind
    reset_exact
    sack_blocks
    sack_none
    sack_timestamps
    simultaneous_close
    simultaneous_open
    slow_reader
    slow_start
    syn_blind
    syn_cookie
    syn_cookie_forged
    syn_cookie_options
    tail_loss_probe
    time_wait
    time_wait_reopen
    time_wait_timestamps
    timeout
    timestamp_echo
    timestamp_missing
    transfer
    unlisten
    urgent
    user_timeout
    window_limit
    window_offered
    window_old
    window_repeat
    window_scale_14
    window_scale_15
    zero_window
}

/// The same over IPv6, but for those in which segments are as long as IPv4 has room for.
mod v6 {
    use super::{Family, play};

    macro_rules! scripts {
        ($($name:ident)*) => {
            $(
                #[test]
                fn $name() {
                    let script = include_str!(concat!("../scripts/", stringify!($name), ".txt"));
                    play(stringify!($name), script, Family::V6);
                }
            )*
        };
    }

    scripts! {
        abort
        ack_blind
        backlog
        connect_forged_reset
        connect_refused
        connect_repeat
        connect_wrong_ack
        data_after_drop
        data_on_syn
        drop_unread
        dsack
        ecn_echo
        ecn_offered
        fast_retransmit
        fin_data
        fin_repeat
        fin_wait_2
        fin_with_data
        give_up
        half_close
        handshake_again
        handshake_data
        handshake_repeat
        handshake_reset
        handshake_wrong_ack
        icmp_connecting
        icmp_established
        icmp_soft
        idle
        idle_restart
        initial_window
        keepalive
        nagle
        nagle_full
        no_ack
        nodelay
        out_of_order
        outside_window
        overlap
        paws
        paws_wrap
        peer_closes
        peer_mss
        peer_mss_timestamps
        piggyback
        rack
        rack_reordering
        refuse
        reset_blind
        reset_exact
        sack_blocks
        sack_none
        sack_timestamps
        simultaneous_close
        simultaneous_open
        six_handshake
        six_path_mtu
        six_transfer
        slow_reader
        slow_start
        syn_blind
        syn_cookie
        syn_cookie_forged
        syn_cookie_options
        tail_loss_probe
        time_wait
        time_wait_reopen
        time_wait_timestamps
        timeout
        timestamp_echo
        timestamp_missing
        unlisten
        urgent
        user_timeout
        window_limit
        window_offered
        window_old
        window_repeat
        window_scale_14
        window_scale_15
        zero_window
    }
}

/// `README.md` names every script, and nothing that is not there.
#[test]
fn the_table_of_rules_is_right() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("README.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let tests = rows.filter_map(|row| row.rsplit('|').nth(1));
    let mut scripts = std::collections::BTreeSet::new();
    for name in tests.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
        match name.split_once("::") {
            Some((file, function)) => {
                let source = std::fs::read_to_string(root.join("src").join(file));
                let source = source.unwrap_or_else(|_| panic!("no such file: {file}"));
                let there = source.contains(&std::format!("fn {function}() {{"));
                assert!(there, "no such test: {name}");
            }
            None => drop(scripts.insert(std::format!("{name}.txt"))),
        }
    }
    let files = std::fs::read_dir(root.join("src/tests/scripts")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(
        scripts
            .iter()
            .cloned()
            .eq(files.collect::<std::collections::BTreeSet<_>>())
    );
}
