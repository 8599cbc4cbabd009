// SPDX-License-Identifier: ISC
//! Lists of devices that are computed while the program is compiled.

use fata_abi::manifest::{Device, DeviceKind};

/// Up to `N` devices.
#[derive(Clone, Copy, Debug)]
pub struct DeviceList<const N: usize> {
    devices: [Device<'static>; N],
    /// `len <= N`
    len: usize,
}

impl<const N: usize> DeviceList<N> {
    /// What fills the places behind `len`.
    const NONE: Device<'static> = Device {
        name: "",
        kind: DeviceKind::Net,
    };

    /// Those of `fields` that need to be in the manifest.
    pub const fn new(fields: [(&'static str, Option<DeviceKind>); N]) -> Self {
        let mut list = Self {
            devices: [Self::NONE; N],
            len: 0,
        };
        let mut at = 0;
        while at < N {
            if let (name, Some(kind)) = fields[at] {
                list.devices[list.len] = Device { name, kind };
                list.len += 1;
            }
            at += 1;
        }
        list
    }

    /// All devices of `lists`, of which there are [`count`].
    pub const fn concat(lists: &[&[Device<'static>]]) -> Self {
        let mut list = Self {
            devices: [Self::NONE; N],
            len: 0,
        };
        let mut outer = 0;
        while outer < lists.len() {
            let mut inner = 0;
            while inner < lists[outer].len() {
                list.devices[list.len] = lists[outer][inner];
                list.len += 1;
                inner += 1;
            }
            outer += 1;
        }
        list
    }

    /// The devices.
    pub const fn get(&self) -> &[Device<'static>] {
        self.devices.split_at(self.len).0
    }
}

/// How many devices `lists` have together.
pub const fn count(lists: &[&[Device<'static>]]) -> usize {
    let mut count = 0;
    let mut at = 0;
    while at < lists.len() {
        count += lists[at].len();
        at += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_attaching_is_listed() {
        let list = DeviceList::new([
            ("service", Some(DeviceKind::Net)),
            ("zones", None),
            ("storage", Some(DeviceKind::Block)),
        ]);
        let names: [&str; 2] = core::array::from_fn(|at| list.get()[at].name);
        assert_eq!((list.get().len(), names), (2, ["service", "storage"]));
        let lists = [list.get(), &[], &list.get()[..1]];
        let all = DeviceList::<3>::concat(&lists);
        assert_eq!((count(&lists), all.get().len()), (3, 3));
        assert_eq!(all.get()[2].name, "service");
    }
}
