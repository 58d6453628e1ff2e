use crate::UpArgs;

pub(crate) async fn run(_up: UpArgs, _exit: bool) -> anyhow::Result<()> {
    anyhow::bail!("")
}
