// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/naturalorder.h"

#include "core/model/names.h"

#include <algorithm>
#include <tuple>

namespace ql {
namespace {

bool isDigit(char c)
{
    return c >= '0' && c <= '9';
}

/// The run of digits at the start of `text`, without leading zeros; removes the run from `text`.
std::string_view takeNumber(std::string_view& text)
{
    size_t length = 0;
    while (length < text.size() && isDigit(text[length]))
        ++length;
    std::string_view number = text.substr(0, length);
    text.remove_prefix(length);
    number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
    return number;
}

/// Embeddings 0, blocks 1, what follows them 2, the head 3.
int sectionOf(const TensorInfo& tensor, TensorRole owner)
{
    if (tensor.layer >= 0)
        return 1;
    switch (owner) {
    case TensorRole::Embedding:
    case TensorRole::PositionEmbedding:
    case TensorRole::TokenTypeEmbedding: return 0;
    case TensorRole::LmHead: return 3;
    case TensorRole::Norm: return tensor.name.find("embd") != std::string::npos ||
                                  tensor.name.find("embeddings") != std::string::npos ? 0 : 2;
    default: return 2;
    }
}

struct Keyed {
    int section;
    int layer;
    int owner;
    int expert;
    int kind; ///< weight 0, bias 1, companion 2
    TensorInfo tensor;
};

} // namespace

bool naturalLess(std::string_view a, std::string_view b)
{
    const std::string_view wholeA = a;
    const std::string_view wholeB = b;
    while (!a.empty() && !b.empty()) {
        if (isDigit(a[0]) && isDigit(b[0])) {
            const std::string_view numberA = takeNumber(a);
            const std::string_view numberB = takeNumber(b);
            if (numberA.size() != numberB.size())
                return numberA.size() < numberB.size();
            if (numberA != numberB)
                return numberA < numberB;
        } else if (a[0] != b[0]) {
            return uint8_t(a[0]) < uint8_t(b[0]);
        } else {
            a.remove_prefix(1);
            b.remove_prefix(1);
        }
    }
    return a.empty() && b.empty() ? wholeA < wholeB : a.empty();
}

void classifyAndSort(std::vector<TensorInfo>& tensors, std::string_view architecture)
{
    std::vector<Keyed> keyed;
    keyed.reserve(tensors.size());
    for (TensorInfo& tensor : tensors) {
        const NameFacts facts = classifyName(tensor.name, architecture);
        tensor.role = facts.role;
        tensor.layer = facts.layer;
        // A reader may have found the matrix stored the other way round already (column-major NPY).
        // Packed weights are presented [out, in] whatever their family does.
        tensor.transposed = tensor.transposed != (facts.transposed && tensor.shape.size() == 2 && !tensor.packed);
        const int owner = facts.owner == TensorRole::Other ? int(TensorRole::Companion) : int(facts.owner);
        const int kind = facts.role == TensorRole::Companion ? 2 : facts.role == TensorRole::Bias ? 1 : 0;
        keyed.push_back({sectionOf(tensor, facts.owner), facts.layer, owner, facts.expert, kind, std::move(tensor)});
    }
    std::stable_sort(keyed.begin(), keyed.end(), [](const Keyed& a, const Keyed& b) {
        const auto keyA = std::tie(a.section, a.layer, a.owner, a.expert, a.kind);
        const auto keyB = std::tie(b.section, b.layer, b.owner, b.expert, b.kind);
        return keyA != keyB ? keyA < keyB : naturalLess(a.tensor.name, b.tensor.name);
    });
    for (size_t i = 0; i < tensors.size(); ++i)
        tensors[i] = std::move(keyed[i].tensor);
}

} // namespace ql
