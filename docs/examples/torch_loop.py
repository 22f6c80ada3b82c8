"""Joules of a training loop of torch, per 1k tokens that it was trained on."""

import torch

import joulemark

BATCH, LENGTH, WIDTH, STEPS = 16, 128, 512, 50

device = "cuda" if torch.cuda.is_available() else "cpu"
model = torch.nn.Linear(WIDTH, WIDTH).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)


def train(steps: int) -> None:
    """So many steps, and whatever the GPU still does of them: a phase that ends before leaves energy outside."""
    for _ in range(steps):
        batch = torch.randn(BATCH, LENGTH, WIDTH, device=device)
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
    if device == "cuda":
        torch.cuda.synchronize()


client = joulemark.Client()
run_id = client.start(benchmark="torch loop", labels={"device": device})
with joulemark.phase("warmup", "warmup", run_id=run_id):
    train(2)
with joulemark.phase("train", run_id=run_id) as counts:
    train(STEPS)
    counts.input_tokens = BATCH * LENGTH * STEPS
client.stop(run_id)
for phase in client.settled_energy(run_id)["phases"]:
    print(phase["name"], phase["boundary"], phase["energy_j"], phase["u95_j"], phase["joules_per_1k_input_tokens"])
