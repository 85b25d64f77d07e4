// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OpenClBackend: measuring and quantizing.
#include "kernels/openclprivate.h"

namespace ql {

Result<ErrorMetrics> OpenClBackend::measure(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    return d->fallback->measure(tensor, scheme, job);
}

Result<ClipSweep> OpenClBackend::clipSweep(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    return d->fallback->clipSweep(tensor, scheme, job);
}

Result<TensorParameters> OpenClBackend::prepare(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    return d->fallback->prepare(tensor, scheme, job);
}

Result<QuantizedTensor> OpenClBackend::quantizeRows(const TensorView& tensor, const TensorParameters& parameters,
                                                    int64_t firstRow, int64_t rows, const JobControl& job)
{
    return d->fallback->quantizeRows(tensor, parameters, firstRow, rows, job);
}

Status OpenClBackend::dequantize(const QuantizedTensor& q, float* out, const JobControl& job)
{
    return d->fallback->dequantize(q, out, job);
}

} // namespace ql
