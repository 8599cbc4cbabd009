// SPDX-License-Identifier: ISC
//! The server side of DHCP for one guest and one address.
//!
//! RFC 2131 section 4.3: DISCOVER is offered 10.0.2.15, a REQUEST for it is acknowledged and one
//! for another address refused. There is nothing to remember: the address has only one taker.

use std::net::Ipv4Addr;

use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr};

use crate::policy::{DNS, GATEWAY, GUEST, MASK};

/// Seconds that the address may be used before it is asked for again.
const LEASE: u32 = 86_400;
/// Bytes of an answer at most: what every client takes (RFC 2131 section 2).
const MAX_ANSWER: usize = 548;

/// Answers the DHCP message `request` into `answer` and says how long the answer is.
pub(crate) fn answer(request: &[u8], answer: &mut [u8]) -> Option<usize> {
    let packet = DhcpPacket::new_checked(request).ok()?;
    let request = DhcpRepr::parse(&packet).ok()?;
    let message_type = match request.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request => {
            if request
                .server_identifier
                .is_some_and(|server| server != GATEWAY)
            {
                return None;
            }
            match request.requested_ip.unwrap_or(request.client_ip) {
                GUEST => DhcpMessageType::Ack,
                _ => DhcpMessageType::Nak,
            }
        }
        DhcpMessageType::Inform => DhcpMessageType::Ack,
        _ => return None,
    };
    let reply = reply(&request, message_type);
    let length = reply.buffer_len();
    if length > MAX_ANSWER {
        return None;
    }
    let mut packet = DhcpPacket::new_unchecked(answer.get_mut(..length)?);
    reply.emit(&mut packet).ok()?;
    Some(length)
}

fn reply(request: &DhcpRepr<'_>, message_type: DhcpMessageType) -> DhcpRepr<'static> {
    let granted = message_type != DhcpMessageType::Nak;
    let leased = granted && request.message_type != DhcpMessageType::Inform;
    DhcpRepr {
        message_type,
        transaction_id: request.transaction_id,
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: request.client_ip,
        your_ip: if leased { GUEST } else { Ipv4Addr::UNSPECIFIED },
        server_ip: Ipv4Addr::UNSPECIFIED,
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: request.broadcast,
        router: granted.then_some(GATEWAY),
        subnet_mask: granted.then_some(MASK),
        dns_servers: granted.then(|| [DNS].into_iter().collect()),
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(GATEWAY),
        parameter_request_list: None,
        max_size: None,
        lease_duration: leased.then_some(LEASE),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    }
}
