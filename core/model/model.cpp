// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/model.h"

#include "core/base/utf8.h"
#include "core/model/fingerprint.h"
#include "core/model/packeddecoder.h"

#include <algorithm>

namespace ql {
std::string_view formatName(ModelFormat format)
{
    switch (format) {
    case ModelFormat::Safetensors: return "safetensors";
    case ModelFormat::ShardedSafetensors: return "sharded safetensors";
    case ModelFormat::Gguf: return "gguf";
    case ModelFormat::Npy: return "npy";
    case ModelFormat::Npz: return "npz";
    }
    return {};
}

Model::Model(Contents contents) : m_contents(std::move(contents)), m_fingerprint(fingerprintOf(m_contents))
{
    m_index.reserve(m_contents.tensors.size());
    for (size_t i = 0; i < m_contents.tensors.size(); ++i) {
        const TensorInfo& tensor = m_contents.tensors[i];
        m_index.emplace(tensor.name, int(i));
        m_bytes += tensor.bytes;
        if (tensor.role != TensorRole::Companion)
            m_parameters += tensor.parameters();
        m_layerCount = std::max(m_layerCount, tensor.layer + 1);
    }
}

int Model::indexOf(std::string_view name) const
{
    const auto at = m_index.find(name);
    return at == m_index.end() ? -1 : at->second;
}

Result<TensorView> Model::view(int index) const
{
    if (index < 0 || size_t(index) >= m_contents.tensors.size())
        return Error{ErrorCode::NoSuchTensor, "there is no tensor number " + std::to_string(index), path()};
    const TensorInfo& tensor = m_contents.tensors[size_t(index)];
    if (tensor.packed) {
        QL_TRY(auto values, openPacked(tensor, m_contents.files));
        return TensorView::create(std::move(values), tensor.shape);
    }
    return storedView(tensor);
}

Result<TensorView> Model::storedView(const TensorInfo& tensor) const
{
    if (tensor.file >= m_contents.files.size())
        return Error{ErrorCode::NoSuchTensor, "there is no file number " + std::to_string(tensor.file), path()};
    auto view = TensorView::create(m_contents.files[tensor.file], tensor.offset, tensor.dtype, tensor.shape,
                                   tensor.transposed);
    if (!view)
        return Error{view.error().code, view.error().message,
                     view.error().where + ": tensor " + printable(tensor.name)};
    return view;
}

Status Model::checkUnchanged() const
{
    for (const auto& file : m_contents.files)
        QL_CHECK(file->checkUnchanged());
    return {};
}

} // namespace ql
