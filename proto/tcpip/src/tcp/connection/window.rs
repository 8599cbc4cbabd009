// SPDX-License-Identifier: ISC
//! The receive window.

use crate::config::TcpConfig;

/// The first window offered, if the configuration allows that much.
const INITIAL: usize = 65535;

/// The window scale to send in a SYN: the smallest that can express the largest window.
pub(crate) fn scale_for(config: &TcpConfig) -> u8 {
    let mut scale = 0;
    while scale < 14 && (65535 << scale) < config.receive_buffer {
        scale += 1;
    }
    scale
}

/// The window to offer in a SYN, which is never scaled (RFC 7323, section 2.2).
pub(crate) fn initial(config: &TcpConfig) -> u16 {
    config.receive_buffer.min(INITIAL) as u16
}
