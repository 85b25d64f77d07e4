// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/dialects/quantargs.h"

#include "core/quant/schemetable.h"

namespace ql {
namespace {

/// Symmetric grids have the scale absmax / ((2^b - 1) / 2), which is our full code range.
Result<Scheme> integerScheme(int bits, bool symmetric, Granularity granularity, int groupSize, bool mse)
{
    QL_TRY(const Format format, integerOfBits(bits));
    Scheme scheme = Scheme::defaultsFor(format);
    scheme.symmetry = symmetric ? Symmetry::Symmetric : Symmetry::Asymmetric;
    scheme.range = symmetric ? CodeRange::Full : CodeRange::Strict;
    scheme.clip = mse ? ClipMethod::Mse : ClipMethod::MinMax;
    scheme.granularity = granularity;
    if (granularity == Granularity::Group)
        return withGroupSize(scheme, groupSize);
    return scheme.normalized();
}

const char* strategyOf(Granularity granularity)
{
    return granularity == Granularity::Tensor ? "tensor" : granularity == Granularity::Channel ? "channel" : "group";
}

OrderedJson argsJson(int bits, const char* type, bool symmetric, const char* strategy, bool dynamic)
{
    return {{"num_bits", bits}, {"type", type}, {"symmetric", symmetric}, {"strategy", strategy}, {"dynamic", dynamic}};
}

Result<Spelled> spellWeights(const RecipeWeight& weight)
{
    const Scheme& scheme = *weight.wish.scheme;
    const FormatTraits& format = traits(scheme.format);
    Spelled said;
    if (format.kind == FormatKind::Micro) {
        const bool nv = scheme.format == Format::NVFP4;
        said.json = argsJson(4, "float", true, nv ? "tensor_group" : "group", false);
        said.json["group_size"] = format.blockSize;
        said.json["scale_dtype"] = said.json["zp_dtype"] = nv ? "torch.float8_e4m3fn" : "torch.uint8";
        said.means.scheme = Scheme::defaultsFor(scheme.format);
        return said;
    }
    const bool group = scheme.granularity == Granularity::Group;
    if (scheme.format == Format::FP8E4M3 && !group) {
        said.json = argsJson(8, "float", true, strategyOf(scheme.granularity), false);
        Scheme means = Scheme::defaultsFor(scheme.format);
        means.granularity = scheme.granularity;
        means.clip = scheme.clip == ClipMethod::Mse ? ClipMethod::Mse : ClipMethod::MinMax;
        said.means.scheme = means;
    } else if (format.kind == FormatKind::Integer) {
        if (group)
            QL_CHECK(wholeGroups(weight, scheme.groupSize));
        const bool symmetric = scheme.symmetry == Symmetry::Symmetric;
        said.json = argsJson(format.bits, "int", symmetric, strategyOf(scheme.granularity), false);
        if (group)
            said.json["group_size"] = scheme.groupSize;
        QL_TRY(said.means.scheme, integerScheme(format.bits, symmetric, scheme.granularity, scheme.groupSize,
                                                scheme.clip == ClipMethod::Mse));
    } else {
        return cannotSay("compressed-tensors has integers, FP8 E4M3 per tensor or channel, mxfp4 and nvfp4 only");
    }
    if (scheme.clip == ClipMethod::Mse)
        said.json["observer"] = "memoryless_mse";
    return said;
}

/// Nothing when there is no word for it.
std::optional<std::pair<OrderedJson, ActivationScheme>> spellInput(const ActivationScheme& input)
{
    using G = ActivationScheme::Granularity;
    const FormatTraits& format = traits(input.format);
    const bool integer = format.kind == FormatKind::Integer;
    const bool micro = input.format == Format::MXFP4;
    if ((!integer && input.format != Format::FP8E4M3 && !micro) || input.granularity == G::Channel)
        return std::nullopt;
    const bool symmetric = input.symmetry == Symmetry::Symmetric;
    const char* strategy = input.granularity == G::Tensor ? "tensor" : input.granularity == G::Token ? "token" : "group";
    OrderedJson json = argsJson(format.bits, integer ? "int" : "float", symmetric, strategy, input.granularity != G::Tensor);
    ActivationScheme means;
    means.format = input.format;
    means.symmetry = input.symmetry;
    means.codes = integer && symmetric ? CodeRange::Full : CodeRange::Strict;
    means.granularity = input.granularity;
    if (input.granularity == G::Group) {
        json["group_size"] = input.groupSize;
        means.groupSize = input.groupSize;
    }
    if (micro)
        json["scale_dtype"] = json["zp_dtype"] = "torch.uint8";
    if (input.range == ActivationScheme::Range::Mse && input.isStatic()) {
        json["observer"] = "mse";
        means.range = input.range;
    }
    return std::pair(json, means);
}

OrderedJson kvJson(RecipeTask& task)
{
    const KvPolicy& cache = task.policy.kvCache;
    if (!cache.layers.empty())
        task.losses.add("KV cache of single layers: one scheme for all of them is known there");
    if (!cache.defaultScheme)
        return nullptr;
    const KvScheme& scheme = *cache.defaultScheme;
    const bool integer = traits(scheme.format).kind == FormatKind::Integer;
    if (!integer && scheme.format != Format::FP8E4M3) {
        task.losses.add("KV cache " + scheme.text() + ": integers and FP8 E4M3 only");
        return nullptr;
    }
    KvScheme means;
    means.format = means.valueFormat = scheme.format;
    means.symmetry = scheme.symmetry;
    if (means != scheme)
        task.losses.add("KV cache " + scheme.text() + ": becomes " + means.text());
    return argsJson(traits(scheme.format).bits, integer ? "int" : "float", scheme.symmetry == Symmetry::Symmetric, "token",
                    true);
}

/// Names as they are, patterns with "re:".
OrderedJson targetsOf(const std::vector<std::string>& names, const std::vector<std::string>& all)
{
    OrderedJson targets = OrderedJson::array();
    for (const std::string& pattern : patternsFor(names, all)) {
        const bool plain = pattern.find_first_of("[(|") == std::string::npos;
        std::string name;
        for (size_t i = 0; plain && i < pattern.size(); ++i) {
            if (pattern[i] != '\\')
                name += pattern[i];
        }
        targets.push_back(plain ? name : "re:^" + pattern + "$");
    }
    return targets;
}

} // namespace

Result<Spelled> spellGroup(const RecipeWeight& weight)
{
    QL_TRY(Spelled weights, spellWeights(weight));
    Spelled said;
    said.json["weights"] = std::move(weights.json);
    said.means.scheme = weights.means.scheme;
    if (!weight.wish.input)
        return said;
    if (const auto input = spellInput(*weight.wish.input)) {
        said.json["input_activations"] = input->first;
        said.means.input = input->second;
    }
    return said;
}

std::string_view storedFormat(const RecipeWish& wish)
{
    switch (wish.scheme->format) {
    case Format::NVFP4:
        return "nvfp4-pack-quantized";
    case Format::MXFP4:
        return "mxfp4-pack-quantized";
    case Format::FP8E4M3:
        return wish.input ? "float-quantized" : "naive-quantized";
    default:
        return wish.input ? "int-quantized" : "pack-quantized";
    }
}

Result<QuantGroups> writeGroups(RecipeTask& task, bool formats)
{
    const RecipeKinds kinds = task.spelled(spellGroup);
    if (kinds.base < 0)
        return nothingToSay(task);
    const auto all = allNames(task);
    QuantGroups result;
    for (int kind = 0; kind < int(kinds.kinds.size()); ++kind) {
        const Spelled& said = kinds.kinds[size_t(kind)];
        OrderedJson group;
        group["targets"] = kind == kinds.base ? OrderedJson::array({"Linear"}) : targetsOf(namesOf(task, kinds, kind), all);
        group.update(said.json);
        if (formats)
            group["format"] = storedFormat(said.means);
        result.groups["group_" + std::to_string(kind)] = std::move(group);
    }
    result.ignore = targetsOf(namesOf(task, kinds, -1), all);
    result.kvCache = kvJson(task);
    return result;
}

} // namespace ql
