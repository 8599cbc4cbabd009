// SPDX-License-Identifier: ISC
//! Symbols of a linked file: which function an address is in, and what each crate costs.

use std::collections::BTreeMap;

use object::{
    elf::{SHT_SYMTAB, STT_FUNC, STT_OBJECT},
    read::elf::{FileHeader, Sym},
};
use rustc_demangle::demangle;

use super::{ENDIAN, Elf, ImageError};

/// What has no crate in its name: functions with a C name, such as `memcpy`.
pub const UNNAMED: &str = "(no crate in the name)";

/// The named parts of a linked file, by address.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    symbols: Vec<Symbol>,
}

#[derive(Clone, Debug)]
struct Symbol {
    address: u64,
    size: u64,
    name: String,
}

impl Symbols {
    /// Reads them; none where the file is stripped.
    ///
    /// # Errors
    ///
    /// [`ImageError::Elf`] if the tables are broken.
    pub fn read(elf: &Elf<'_>) -> Result<Self, ImageError> {
        let bad = |error: object::Error| ImageError::Elf(error.to_string());
        let sections = elf.header.sections(ENDIAN, elf.data).map_err(bad)?;
        let table = sections
            .symbols(ENDIAN, elf.data, SHT_SYMTAB)
            .map_err(bad)?;
        let mut symbols = Vec::new();
        for symbol in table.iter() {
            let kind = symbol.st_type();
            let size = symbol.st_size(ENDIAN);
            if size == 0 || symbol.is_undefined(ENDIAN) || !matches!(kind, STT_FUNC | STT_OBJECT) {
                continue;
            }
            let name = table.symbol_name(ENDIAN, symbol).map_err(bad)?;
            symbols.push(Symbol {
                address: symbol.st_value(ENDIAN),
                size,
                name: String::from_utf8_lossy(name).into_owned(),
            });
        }
        symbols.sort_by_key(|symbol| symbol.address);
        // Two names for one function are one function.
        symbols.dedup_by_key(|symbol| symbol.address);
        Ok(Self { symbols })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// The function around `address`, as its author wrote its name.
    pub fn function(&self, address: u64) -> Option<String> {
        let after = self.symbols.partition_point(|s| s.address <= address);
        let symbol = self.symbols.get(after.checked_sub(1)?)?;
        let inside = address - symbol.address < symbol.size;
        inside.then(|| format!("{:#}", demangle(&symbol.name)))
    }

    /// Bytes by crate, largest first. A function counts for the crate that its name begins with,
    /// a copy of a generic one for the crate that wrote it.
    pub fn by_crate(&self) -> Vec<(String, u64)> {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for symbol in &self.symbols {
            let size = sizes.entry(crate_of(&symbol.name)).or_default();
            *size = size.saturating_add(symbol.size);
        }
        let mut sizes: Vec<(String, u64)> = sizes.into_iter().collect();
        sizes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        sizes
    }
}

/// The first `name::` in a demangled name: `<&T as core::fmt::Debug>::fmt` is core's.
fn crate_of(mangled: &str) -> String {
    let name = format!("{:#}", demangle(mangled));
    let mut start = 0;
    for (at, c) in name.char_indices() {
        if c.is_alphanumeric() || c == '_' {
            continue;
        }
        if at > start && name[at..].starts_with("::") {
            return name[start..at].to_owned();
        }
        start = at + c.len_utf8();
    }
    UNNAMED.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_is_the_first_word_of_a_path() {
        for (mangled, expected) in [
            ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core"),
            (
                "_ZN44_$LT$$RF$T$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE",
                "core",
            ),
            ("_RNvCs1234_7mycrate3foo", "mycrate"),
            ("memcpy", UNNAMED),
            ("", UNNAMED),
            ("é", UNNAMED),
        ] {
            assert_eq!(crate_of(mangled), expected, "{mangled}");
        }
    }

    #[test]
    fn an_address_between_functions_is_in_none() {
        let symbol = |address, name: &str| Symbol {
            address,
            size: 16,
            name: name.into(),
        };
        let symbols = Symbols {
            symbols: vec![symbol(0x1000, "a"), symbol(0x1020, "b")],
        };
        assert_eq!(symbols.function(0xfff), None);
        assert_eq!(symbols.function(0x100f).as_deref(), Some("a"));
        assert_eq!(symbols.function(0x1010), None);
        assert_eq!(symbols.function(0x1020).as_deref(), Some("b"));
        assert_eq!(symbols.function(u64::MAX), None);
    }
}
