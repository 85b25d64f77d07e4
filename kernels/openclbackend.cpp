// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/openclprivate.h"

namespace ql
{

OpenClBackend::OpenClBackend(std::unique_ptr<Private> state) : d(std::move(state)) {}
OpenClBackend::~OpenClBackend() = default;

Result<std::shared_ptr<OpenClBackend>> OpenClBackend::create(const std::string& deviceId,
                                                             std::shared_ptr<Backend> fallback, OpenClOptions options)
{
    auto state = std::make_unique<Private>();
    state->smallestTensor = options.smallestTensor;
    state->options = std::move(options);
    state->fallback = std::move(fallback);
    try {
        state->worker.run([&] {
            state->device.emplace(deviceId, state->options.cacheFolder, state->options.gpuShape);
            // Statistics are wanted first, and a compiler that does not work must show now.
            state->device->kernel("statistics.cl", "statistics", SourceType::F32);
        });
    } catch (const ClError& error) {
        return error.error();
    }
    const OpenClDevice& facts = state->device->traits().facts;
    state->info = {facts.id, facts.name, facts.platform + ", " + facts.version, true, facts.gpu};
    return std::shared_ptr<OpenClBackend>(new OpenClBackend(std::move(state)));
}

Result<std::shared_ptr<Backend>> makeOpenClBackend(const std::string& deviceId, std::shared_ptr<Backend> fallback,
                                                   const std::string& cacheFolder)
{
    OpenClOptions options;
    options.cacheFolder = cacheFolder;
    QL_TRY(auto backend, OpenClBackend::create(deviceId, std::move(fallback), options));
    return std::shared_ptr<Backend>(std::move(backend));
}

BackendInfo OpenClBackend::info() const
{
    return d->info;
}

std::string OpenClBackend::lastFallback() const
{
    std::lock_guard lock(d->mutex);
    return d->lastFallback;
}

int64_t OpenClBackend::setSmallestTensor(int64_t values)
{
    std::lock_guard lock(d->mutex);
    d->lastFallback.clear();
    return d->smallestTensor.exchange(values);
}

OpenClBackend::ProgramCounts OpenClBackend::programs() const
{
    return d->worker.run([this] { return ProgramCounts{d->device->programsBuilt(), d->device->programsLoaded()}; });
}

Status OpenClBackend::Private::pass(const TensorView& tensor, const std::string& kind, TilePass::Plan plan,
                                    const JobControl& job, const std::function<void(Tile&)>& enqueue,
                                    const std::function<void(Tile&)>& collect)
{
    plan.rate = &rates[kind];
    TilePass tiles(*device, worker, {options.sliceValues, options.timeoutMs});
    return tiles.run(tensor, plan, job, enqueue, collect);
}

Status OpenClBackend::Private::pass(const TensorView& tensor, const std::string& kind, const QuantPlan& plan,
                                    const JobControl& job, const std::function<void(Tile&)>& enqueue,
                                    const std::function<void(Tile&)>& collect)
{
    const auto firstValue = [&](int64_t bundle) { return plan.firstValue(bundle); };
    return pass(tensor, kind, {plan.bundles(), firstValue}, job, enqueue, collect);
}

} // namespace ql
