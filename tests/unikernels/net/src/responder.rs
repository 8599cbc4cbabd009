// SPDX-License-Identifier: ISC
//! Answers ARP and ICMP echo requests on a network device, in the buffers that they came in.
//!
//! RFC 826 (ARP over Ethernet), RFC 791 and RFC 792 (echo). The other network tests use it too.

use fata::prelude::*;

const ETHERNET: usize = 14;
const ARP: [u8; 2] = [8, 6];
const IPV4: [u8; 2] = [8, 0];

/// How long it must be quiet before nobody asks any more.
const QUIET: Duration = Duration::from_millis(300);

/// Answers for `address` until `count` echo requests were answered and no more come: the peer asks
/// again for an answer that its own queues have lost.
pub(crate) async fn answer(nic: &mut Nic, address: [u8; 4], count: u32) -> Result<(), Error> {
    let mac = nic.info().mac;
    let mut answered = 0;
    loop {
        let mut frame = if answered < count {
            nic.receive().await?
        } else {
            match timeout(QUIET, nic.receive()).await {
                Ok(frame) => frame?,
                Err(_) => return Ok(()),
            }
        };
        let is_echo = echo(&mut frame, address);
        if is_echo || arp(&mut frame, address, mac) {
            let (to, rest) = frame.split_at_mut(6);
            let (from, _) = rest.split_at_mut(6);
            to.copy_from_slice(from);
            from.copy_from_slice(&mac);
            nic.send(frame)?;
            nic.flush();
            answered += u32::from(is_echo);
        }
    }
}

/// Turns a question for `address` into its answer.
fn arp(frame: &mut [u8], address: [u8; 4], mac: [u8; 6]) -> bool {
    if frame.len() < ETHERNET + 28 || frame[12..14] != ARP {
        return false;
    }
    let arp = &mut frame[ETHERNET..];
    // Ethernet and IPv4, a request, for us.
    if arp[..8] != [0, 1, 8, 0, 6, 4, 0, 1] || arp[24..28] != address {
        return false;
    }
    arp[7] = 2;
    arp.copy_within(8..18, 18);
    arp[8..14].copy_from_slice(&mac);
    arp[14..18].copy_from_slice(&address);
    true
}

/// Turns an echo request to `address` into its answer.
fn echo(frame: &mut [u8], address: [u8; 4]) -> bool {
    if frame.len() < ETHERNET + 28 || frame[12..14] != IPV4 {
        return false;
    }
    let (ip, icmp) = frame[ETHERNET..].split_at_mut(20);
    // No options, ICMP, for us; an echo request.
    if ip[0] != 0x45 || ip[9] != 1 || ip[16..20] != address || icmp[..2] != [8, 0] {
        return false;
    }
    // Swapping the addresses leaves the checksum of the header as it is.
    ip.copy_within(12..16, 16);
    ip[12..16].copy_from_slice(&address);
    icmp[0] = 0;
    // One 16-bit word went down by 0x0800, so the checksum goes up by it, in one's complement.
    let (sum, carry) = u16::from_be_bytes([icmp[2], icmp[3]]).overflowing_add(0x0800);
    icmp[2..4].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
    true
}
