// SPDX-License-Identifier: ISC
//! The network devices of the platform.

use core::{
    task::{Context, Poll},
    time::Duration,
};

use fata_abi::{Error as Refusal, Frame, Handle, NetInfo, manifest::DeviceKind, platform};
use fata_device::{Net, NetError, net};
use fata_runtime::{
    Error, ready,
    time::{Alarm, Instant},
};

use crate::{Device, Port};

/// A network device given by whoever starts the image.
pub struct Nic {
    handle: Handle,
    info: NetInfo,
    retry: Alarm,
}

/// When to ask again for a buffer: a frame that the image itself drops tells nobody.
const RETRY: Duration = Duration::from_millis(1);

impl Device for Nic {
    const NEEDS: Option<DeviceKind> = Some(DeviceKind::Net);
    type Arguments = ();

    async fn connect(port: Port, (): ()) -> Result<Self, Error> {
        let handle = port.claim()?;
        match platform::net_open(handle) {
            Ok(info) => Ok(Self {
                handle,
                info,
                retry: Alarm::new(),
            }),
            Err(_) => Err(port.refused()),
        }
    }
}

impl Net for Nic {
    type Frame = Frame;

    fn info(&self) -> NetInfo {
        self.info
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, NetError>> {
        match platform::net_receive(self.handle) {
            Ok(frame) => Poll::Ready(Ok(frame)),
            Err(Refusal::Again) => {
                ready::register(self.handle, cx);
                Poll::Pending
            }
            Err(_) => Poll::Ready(Err(NetError::Failed)),
        }
    }

    fn poll_reserve(&mut self, cx: &mut Context<'_>, len: usize) -> Poll<Result<Frame, NetError>> {
        let too_long = |max| Poll::Ready(Err(NetError::TooLong { len, max }));
        if len > self.info.max_frame {
            return too_long(self.info.max_frame);
        }
        match platform::net_reserve(self.handle, len) {
            Ok(frame) => Poll::Ready(Ok(frame)),
            // A length that could be gathered, and for which no buffer is large enough.
            Err(Refusal::Invalid) => too_long(self.info.longest_on_wire()),
            Err(Refusal::Again) => {
                self.retry.set(Instant::now() + RETRY, cx.waker());
                Poll::Pending
            }
            Err(_) => Poll::Ready(Err(NetError::Failed)),
        }
    }

    fn send(&mut self, frame: Frame) -> Result<(), NetError> {
        net::check(&self.info, frame.len(), frame.offload)?;
        platform::net_send(self.handle, frame, [&[]; 2]).map_err(|_| NetError::Failed)
    }

    fn send_gather(&mut self, frame: Frame, tail: [&[u8]; 2]) -> Result<(), NetError> {
        net::check_gather(&self.info, frame.len(), tail, frame.offload)?;
        platform::net_send(self.handle, frame, tail).map_err(|_| NetError::Failed)
    }

    fn flush(&mut self) {
        platform::net_flush(self.handle);
    }
}
