// SPDX-License-Identifier: ISC
//! The scripts, each a test of its own.

use super::play::play;

macro_rules! scripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let script = include_str!(concat!("../scripts/", stringify!($name), ".txt"));
                play(stringify!($name), script);
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
    user_timeout
    window_limit
    window_offered
    window_old
    window_repeat
    zero_window
}
