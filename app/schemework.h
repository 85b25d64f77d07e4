// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SchemeWork: what a job needs to carry out a scheme on one tensor as the calibration wants it. A value; any thread.
#pragma once

#include "core/calibration/calibration.h"
#include "core/calibration/importance.h"
#include "core/calibration/outputerror.h"
#include "core/compute/backend.h"
#include "core/model/model.h"

#include <memory>
#include <string>

namespace ql {

struct SchemeWork {
    SchemeWork(const Model& model, int index, TensorView plain, std::shared_ptr<Backend> device,
               std::shared_ptr<const Calibration> known, std::shared_ptr<ThreadPool> threads)
        : backend(std::move(device)), calibration(std::move(known)), pool(std::move(threads)),
          tensor(model.tensors()[size_t(index)].name),
          view(weightedView(std::move(plain), calibration.get(), tensor))
    {
    }

    std::shared_ptr<Backend> backend;
    std::shared_ptr<const Calibration> calibration;
    std::shared_ptr<ThreadPool> pool;
    std::string tensor;
    TensorView view;

    Result<Scheme> resolved(const Scheme& scheme, const JobControl& job) const
    {
        if (scheme.clip != ClipMethod::Output)
            return calibration ? weighable(scheme, view) : scheme;
        const InputStatistics* input = calibration ? calibration->find(tensor) : nullptr;
        return resolveOutputClip(*backend, view, scheme, input, *pool, job);
    }
};

} // namespace ql
