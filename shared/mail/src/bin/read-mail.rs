//! The process apart by itself: one mail in, one reading out. The product's own program has the same as a hidden command.

fn main() -> std::process::ExitCode {
    mail::apart::child()
}
