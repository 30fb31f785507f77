//! Ed25519, for the heads of audit logs.

use crate::guard::guarded;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use std::ffi::{c_int, c_void};

const SEED: usize = 32;
const PUBLIC: usize = 32;
const SIGNATURE: usize = 64;

unsafe fn bytes<'a>(at: *const c_void, len: usize) -> Option<&'a [u8]> {
    match (at.is_null(), len) {
        (_, 0) => Some(&[]),
        (true, _) => None,
        (false, _) => Some(std::slice::from_raw_parts(at.cast::<u8>(), len)),
    }
}

fn verify(public: &[u8; PUBLIC], message: &[u8], signature: &[u8; SIGNATURE]) -> bool {
    VerifyingKey::from_bytes(public)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

/// # Safety
/// As in sign.h.
#[no_mangle]
pub unsafe extern "C" fn rt_sign_public(seed: *const u8, ret_public: *mut u8) -> c_int {
    let Some(seed) = seed.cast::<[u8; SEED]>().as_ref() else { return -1 };
    if ret_public.is_null() {
        return -1;
    }
    match guarded(|| SigningKey::from_bytes(seed).verifying_key().to_bytes()) {
        Some(public) => {
            *ret_public.cast() = public;
            0
        }
        None => -1,
    }
}

/// # Safety
/// As in sign.h.
#[no_mangle]
pub unsafe extern "C" fn rt_sign(
    seed: *const u8,
    message: *const c_void,
    len: usize,
    ret_signature: *mut u8,
) -> c_int {
    let Some(seed) = seed.cast::<[u8; SEED]>().as_ref() else { return -1 };
    let Some(message) = bytes(message, len) else { return -1 };
    if ret_signature.is_null() {
        return -1;
    }
    match guarded(|| SigningKey::from_bytes(seed).sign(message).to_bytes()) {
        Some(signature) => {
            *ret_signature.cast() = signature;
            0
        }
        None => -1,
    }
}

/// # Safety
/// As in sign.h.
#[no_mangle]
pub unsafe extern "C" fn rt_sign_verify(
    public_key: *const u8,
    message: *const c_void,
    len: usize,
    signature: *const u8,
) -> c_int {
    let Some(public) = public_key.cast::<[u8; PUBLIC]>().as_ref() else { return -1 };
    let Some(signature) = signature.cast::<[u8; SIGNATURE]>().as_ref() else { return -1 };
    let Some(message) = bytes(message, len) else { return -1 };
    guarded(|| c_int::from(verify(public, message, signature))).unwrap_or(-1)
}
