// SPDX-License-Identifier: ISC
//! Floating-point numbers work: scalars, formatting, vectors, and across waits.

#![no_std]
#![no_main]

use core::{
    arch::x86_64::{_mm_add_pd, _mm_mul_pd, _mm_set_pd, _mm_storeu_pd},
    hint::black_box,
};

use fata::{prelude::*, task};

#[fata::main]
async fn main() {
    assert_eq!(format!("{:.6}", pi(1_000_000)), "3.141592");
    assert_eq!("2.5e-3".parse::<f64>(), Ok(0.0025));
    // SAFETY: every x86-64 processor has SSE2.
    assert_eq!(unsafe { vectors() }, [5.0, 14.0]);
    // Tasks that take turns do not see each other's registers.
    let tasks: Vec<_> = (1..=8).map(|n| spawn(sum(f64::from(n)))).collect();
    for (n, task) in (1..=8).zip(tasks) {
        assert_eq!(task.await, 1000.0 * f64::from(n));
    }
    println!("SUCCESS");
}

/// Leibniz' series.
fn pi(terms: u32) -> f64 {
    let term = |n: u32| {
        let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
        sign / (2.0 * f64::from(n) + 1.0)
    };
    4.0 * (0..black_box(terms)).map(term).sum::<f64>()
}

async fn sum(step: f64) -> f64 {
    let mut sum = 0.0;
    for _ in 0..1000 {
        sum += black_box(step);
        task::yield_now().await;
    }
    sum
}

#[target_feature(enable = "sse2")]
fn vectors() -> [f64; 2] {
    let [a, b, c] = black_box([[1.0, 2.0], [2.0, 5.0], [3.0, 4.0]]);
    let mut result = [0.0; 2];
    let sum = _mm_add_pd(
        _mm_mul_pd(_mm_set_pd(a[1], a[0]), _mm_set_pd(b[1], b[0])),
        _mm_set_pd(c[1], c[0]),
    );
    // SAFETY: `result` holds the two numbers that are stored, and need not be aligned.
    unsafe { _mm_storeu_pd(result.as_mut_ptr(), sum) };
    result
}
