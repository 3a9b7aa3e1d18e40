"""The router: model, data, losses, distillation, prediction."""
