/*!
A first pass over a large pickle: which memo numbers it fetches. It reads opcodes and steps over their arguments; it
builds nothing.
*/

use vecferry_sdk::{File, Result};

use crate::input::Input;
use crate::number;
use crate::opcode as op;

/// As in the machine.
const BLOCK: u32 = 120 * 1024;
/// Numbers that are kept at most; a pickle that fetches more gains nothing.
const NUMBERS: usize = 16 << 20;

/// The numbers, ascending and each once; `None` where they cannot be used: numbers given both by count and by name,
/// too many of them, or a pickle that is damaged (which the machine will say better).
pub(crate) fn numbers(file: &File) -> Option<Vec<u32>> {
    let mut input = Input::new(file.clone(), BLOCK);
    scan(&mut input).ok().flatten()
}

fn scan(input: &mut Input) -> Result<Option<Vec<u32>>> {
    let mut numbers: Vec<u32> = Vec::new();
    let mut sorted = 1 << 16;
    let (mut counted, mut named) = (false, false);
    loop {
        let number = match input.u8()? {
            op::STOP => break,
            op::GET => number::small_integer(&input.short_line(32)?).and_then(|number| u32::try_from(number).ok()),
            op::BINGET => Some(u32::from(input.u8()?)),
            op::LONG_BINGET => Some(input.u32()?),
            opcode => {
                counted |= opcode == op::MEMOIZE;
                named |= matches!(opcode, op::PUT | op::BINPUT | op::LONG_BINPUT);
                if !step_over(input, opcode)? || counted && named {
                    return Ok(None);
                }
                continue;
            }
        };
        let Some(number) = number else { return Ok(None) };
        numbers.push(number);
        if numbers.len() >= sorted {
            numbers.sort_unstable();
            numbers.dedup();
            if numbers.len() > NUMBERS {
                return Ok(None);
            }
            sorted = (numbers.len() * 2).max(1 << 16);
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers.shrink_to_fit();
    Ok(Some(numbers))
}

/// Moves behind an opcode's argument; false for what is no opcode.
fn step_over(input: &mut Input, opcode: u8) -> Result<bool> {
    let bytes = match opcode {
        op::PROTO | op::BININT1 | op::BINPUT | op::EXT1 => 1,
        op::BININT2 | op::EXT2 => 2,
        op::BININT | op::LONG_BINPUT | op::EXT4 => 4,
        op::BINFLOAT | op::FRAME => 8,
        op::SHORT_BINUNICODE | op::SHORT_BINSTRING | op::SHORT_BINBYTES | op::LONG1 => u64::from(input.u8()?),
        op::BINUNICODE | op::BINBYTES | op::BINSTRING | op::LONG4 => u64::from(input.u32()?),
        op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => input.u64()?,
        op::INT | op::LONG | op::FLOAT | op::STRING | op::UNICODE | op::PUT | op::PERSID => {
            input.line()?;
            0
        }
        op::GLOBAL | op::INST => {
            input.line()?;
            input.line()?;
            0
        }
        _ if op::name(opcode).is_some() => 0,
        _ => return Ok(false),
    };
    input.skip(bytes)?;
    Ok(true)
}
