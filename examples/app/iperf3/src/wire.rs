// SPDX-License-Identifier: ISC
//! The messages of iperf3's protocol: states, parameters, results, datagrams.
//!
//! On the control connection a state is one byte, and JSON follows its length in four. Numbers are
//! big-endian but for the greeting of UDP streams, which is as the client's machine has it.

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use crate::{
    json::{self, Value},
    meter::Tally,
};

/// The test begins.
pub const TEST_START: u8 = 1;
/// Data flows.
pub const TEST_RUNNING: u8 = 2;
/// The client has sent or received all that it wants.
pub const TEST_END: u8 = 4;
/// The server waits for the parameters.
pub const PARAM_EXCHANGE: u8 = 9;
/// The server waits for the streams.
pub const CREATE_STREAMS: u8 = 10;
/// The client was interrupted.
pub const CLIENT_TERMINATE: u8 = 12;
/// The server waits for the client's results, and then sends its own.
pub const EXCHANGE_RESULTS: u8 = 13;
/// All is said.
pub const DISPLAY_RESULTS: u8 = 14;
/// The client has printed the results.
pub const IPERF_DONE: u8 = 16;
/// Another test is running: minus one.
pub const ACCESS_DENIED: u8 = 0xff;
/// The server cannot go on; two numbers, which say why, follow: minus two.
pub const SERVER_ERROR: u8 = 0xfe;

/// iperf3's number of the error "unable to receive parameters from client".
pub const PARAMETERS_REFUSED: u32 = 113;

/// Bytes by which the connections of a test are known.
pub const COOKIE: usize = 37;
/// Longest JSON of parameters that is read.
pub const LONGEST_PARAMETERS: usize = 16 << 10;
/// Longest JSON of results that is stepped over.
pub const LONGEST_RESULTS: usize = 4 << 20;
/// What opens a UDP stream has this length.
pub const GREETING: usize = 4;
/// The answer to it, as a little-endian machine has it.
pub const GREETING_REPLY: [u8; GREETING] = 0x3938_3736_u32.to_le_bytes();
/// Most streams in one direction that iperf3 knows.
const STREAMS: u64 = 128;
/// Largest block, as iperf3 has it.
const LARGEST_BLOCK: u64 = 1 << 20;
/// Largest datagram.
const LARGEST_DATAGRAM: u64 = 65_507;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Datagrams instead of streams.
    pub udp: bool,
    /// Streams in each direction.
    pub streams: usize,
    /// Whether the client sends.
    pub receive: bool,
    /// Whether the server sends.
    pub send: bool,
    /// Bytes of a read, a write or a datagram.
    pub block: usize,
    /// How long the test lasts, or zero if its length is given otherwise.
    pub seconds: u64,
    /// How long nothing is counted at the start.
    pub omit: u64,
    /// Bits that a stream of the server sends a second, or zero for as many as it can.
    pub bandwidth: u64,
    /// Whether datagrams are counted in eight bytes instead of four.
    pub wide_counters: bool,
    /// Whether small writes are sent at once.
    pub nodelay: bool,
}

impl Parameters {
    /// Reads what a client has sent; `None` where it wants what is not there, such as SCTP.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (mut tcp, mut udp) = (false, false);
        let (mut reverse, mut both) = (false, false);
        let (mut streams, mut block) = (1, 0);
        let (mut seconds, mut omit, mut bandwidth) = (0, 0, 0);
        let (mut wide_counters, mut nodelay) = (false, false);
        for (key, value) in json::members(text) {
            // Flags come as `true` or as a number.
            let (flag, number) = match value {
                Value::Bool(flag) => (flag, 0),
                Value::Number(number) => (number != 0, number),
                Value::Other => continue,
            };
            match key {
                b"tcp" => tcp = flag,
                b"udp" => udp = flag,
                b"reverse" => reverse = flag,
                b"bidirectional" => both = flag,
                b"parallel" => streams = number,
                b"len" => block = number,
                b"time" => seconds = number,
                b"omit" => omit = number,
                b"bandwidth" => bandwidth = number,
                b"udp_counters_64bit" => wide_counters = flag,
                b"nodelay" => nodelay = flag,
                _ => {}
            }
        }
        let header = if wide_counters { 16 } else { 12 };
        let blocks = if udp {
            header..=LARGEST_DATAGRAM
        } else {
            1..=LARGEST_BLOCK
        };
        if tcp == udp || !(1..=STREAMS).contains(&streams) || !blocks.contains(&block) {
            return None;
        }
        Some(Self {
            udp,
            streams: usize::try_from(streams).ok()?,
            receive: both || !reverse,
            send: both || reverse,
            block: usize::try_from(block).ok()?,
            seconds,
            omit,
            bandwidth,
            wide_counters,
            nodelay,
        })
    }
}

/// The server's results behind their length. The CPU is not ours to look at, so it says none.
pub fn results(tallies: &[Tally]) -> Vec<u8> {
    let mut text = String::from(
        r#"{"cpu_util_total":0,"cpu_util_user":0,"cpu_util_system":0,"sender_has_retransmits":0,"streams":["#,
    );
    for (index, tally) in tallies.iter().enumerate() {
        // The numbers of the client's streams are 1, 3, 4, 5 ...
        let id = if index == 0 { 1 } else { index + 2 };
        let comma = if index == 0 { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(
            text,
            r#"{comma}{{"id":{id},"bytes":{},"retransmits":-1,"jitter":{}.{:09},"errors":{},"omitted_errors":{},"packets":{},"omitted_packets":{},"start_time":0,"end_time":{}.{:06}}}"#,
            tally.bytes,
            tally.jitter / 1_000_000_000,
            tally.jitter % 1_000_000_000,
            tally.lost,
            tally.omitted_lost,
            tally.packets,
            tally.omitted_packets,
            tally.micros / 1_000_000,
            tally.micros % 1_000_000,
        );
    }
    text.push_str("]}");
    let mut message = Vec::with_capacity(4 + text.len());
    message.extend_from_slice(&u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
    message.extend_from_slice(text.as_bytes());
    message
}

/// What a datagram begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// When it was sent, in microseconds of the sender's clock.
    pub sent: u64,
    /// Its place among the datagrams of its stream; the first is 1.
    pub number: u64,
}

impl Header {
    /// Reads it; `None` where the datagram is too short.
    pub fn parse(datagram: &[u8], wide: bool) -> Option<Self> {
        let word = |at: usize| -> Option<u64> {
            let bytes = datagram.get(at..)?.first_chunk::<4>()?;
            Some(u64::from(u32::from_be_bytes(*bytes)))
        };
        let number = match wide {
            true => word(8)? << 32 | word(12)?,
            false => word(8)?,
        };
        Some(Self {
            sent: word(0)? * 1_000_000 + word(4)?,
            number,
        })
    }

    /// Writes it to the begin of a datagram that has room for it.
    pub fn emit(self, datagram: &mut [u8], wide: bool) {
        let (seconds, micros) = (self.sent / 1_000_000, self.sent % 1_000_000);
        let high = if wide { Some(self.number >> 32) } else { None };
        let words = [Some(seconds), Some(micros), high, Some(self.number)];
        for (place, word) in datagram
            .chunks_exact_mut(4)
            .zip(words.into_iter().flatten())
        {
            place.copy_from_slice(&(word as u32).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{format, vec};

    use super::*;

    /// As iperf3 3.12 sends it.
    const TYPICAL: &str = r#"{"tcp":true,"omit":0,"time":10,"num":0,"blockcount":0,"parallel":1,"len":131072,"pacing_timer":1000,"client_version":"3.12"}"#;

    fn typical() -> Parameters {
        Parameters {
            udp: false,
            streams: 1,
            receive: true,
            send: false,
            block: 131_072,
            seconds: 10,
            omit: 0,
            bandwidth: 0,
            wide_counters: false,
            nodelay: false,
        }
    }

    #[test]
    fn parameters_of_a_client() {
        assert_eq!(Parameters::parse(TYPICAL.as_bytes()), Some(typical()));
        let reverse = TYPICAL.replace("\"omit\":0", "\"omit\":2,\"reverse\":true");
        let parsed = Parameters::parse(reverse.as_bytes()).unwrap();
        assert!(parsed.send && !parsed.receive && parsed.omit == 2);
        let both = TYPICAL.replace("\"omit\":0", "\"bidirectional\":1");
        let parsed = Parameters::parse(both.as_bytes()).unwrap();
        assert!(parsed.send && parsed.receive);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (from, to) in [
            ("\"tcp\"", "\"sctp\""),
            ("\"parallel\":1", "\"parallel\":0"),
            ("\"parallel\":1", "\"parallel\":129"),
            ("131072", "0"),
            ("131072", "1048577"),
            ("\"tcp\":true", "\"udp\":true"),
        ] {
            let text = TYPICAL.replace(from, to);
            assert_eq!(Parameters::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn no_bytes_from_a_client_panic() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize
        };
        for _ in 0..20_000 {
            let mut text = vec![0; 0];
            text.extend_from_slice(TYPICAL.as_bytes());
            for _ in 0..1 + random() % 8 {
                let at = random() % text.len();
                match random() % 3 {
                    0 => text[at] = random() as u8,
                    1 => text[at] = br#"{}[]",:\.e-0"#[random() % 12],
                    _ => text.truncate(at.max(1)),
                }
            }
            let _ = Parameters::parse(&text);
            let _ = Header::parse(&text, random() % 2 == 0);
        }
    }

    #[test]
    fn results_are_behind_their_length() {
        let tally = Tally {
            bytes: 7,
            packets: 3,
            lost: 1,
            omitted_packets: 0,
            omitted_lost: 0,
            jitter: 1_500,
            micros: 2_000_003,
        };
        let message = results(&[tally.clone(), tally]);
        let (len, text) = message.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_be_bytes(*len) as usize, text.len());
        let text = std::str::from_utf8(text).unwrap();
        for id in [1, 3] {
            let stream = format!(r#"{{"id":{id},"bytes":7,"retransmits":-1,"jitter":0.000001500"#);
            assert!(text.contains(&stream), "{text}");
        }
        assert!(text.contains("\"end_time\":2.000003}"), "{text}");
    }

    #[test]
    fn headers_come_back() {
        for wide in [false, true] {
            let header = Header {
                sent: 12_345_678_901,
                number: if wide { 1 << 40 } else { 1 << 20 },
            };
            let mut datagram = [0; 16];
            header.emit(&mut datagram, wide);
            assert_eq!(Header::parse(&datagram, wide), Some(header));
            assert_eq!(Header::parse(&datagram[..11], wide), None);
        }
    }
}
