// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli inspect: header facts of a model.
#include "app/cli/options.h"
#include "app/cli/table.h"
#include "core/base/format.h"
#include "core/model/packedweight.h"

#include <nlohmann/json.hpp>

#include <ostream>

namespace ql::cli {
namespace {

nlohmann::ordered_json packedJson(const PackedWeight& packed)
{
    nlohmann::ordered_json json;
    json["method"] = packed.method;
    json["label"] = packed.label;
    json["scheme"] = packed.scheme.text();
    json["tensors"] = nlohmann::ordered_json::array();
    for (const TensorInfo& part : packed.parts)
        json["tensors"].push_back(part.name);
    return json;
}

void printJson(const Model& model, std::ostream& out)
{
    nlohmann::ordered_json json;
    json["format"] = formatName(model.format());
    json["architecture"] = model.architecture();
    json["parameters"] = model.parameters();
    json["bytes"] = model.bytes();
    json["fingerprint"] = model.fingerprint();
    json["tensors"] = nlohmann::ordered_json::array();
    for (const TensorInfo& tensor : model.tensors()) {
        nlohmann::ordered_json row;
        row["name"] = tensor.name;
        row["role"] = roleName(tensor.role);
        row["layer"] = tensor.layer < 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(tensor.layer);
        row["dtype"] = dtypeInfo(tensor.dtype).name;
        if (tensor.packed)
            row["packed"] = packedJson(*tensor.packed);
        row["shape"] = tensor.shape;
        row["bytes"] = tensor.bytes;
        json["tensors"].push_back(std::move(row));
    }
    if (!model.warnings().empty())
        json["warnings"] = model.warnings();
    out << json.dump(1) << '\n';
}

void printText(const Model& model, std::ostream& out)
{
    out << model.displayName() << "  (" << formatName(model.format()) << ", " << model.architecture() << ")\n"
        << formatCount(model.parameters()) << " parameters, " << formatBytes(model.bytes()) << ", "
        << model.tensors().size() << " tensors, " << model.layerCount() << " blocks, fingerprint "
        << model.fingerprint() << "\n\n";
    Table table({{"name"}, {"role"}, {"type"}, {"shape"}, {"bytes", true}});
    for (const TensorInfo& tensor : model.tensors()) {
        const DTypeInfo& type = dtypeInfo(tensor.dtype);
        table.add({tensor.name, std::string(roleName(tensor.role)),
                   tensor.typeLabel() + (type.decodable ? "" : " (cannot be decoded)"),
                   toString(tensor.shape) + (tensor.transposed ? " (stored [in, out])" : ""),
                   std::to_string(tensor.bytes)});
    }
    table.print(out);
}

} // namespace

int runInspect(const QStringList& arguments, Context& context)
{
    Options options("inspect");
    options.positional("MODEL", "file or folder").flag("json", "one JSON document on stdout")
        .flag("read", "read the files instead of mapping them");
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto model = Model::open(options.argument(0), options.has("read") ? FileAccess::Read : FileAccess::Map);
    if (!model.ok())
        return fail(context, model.error());
    for (const std::string& warning : (*model)->warnings())
        context.err << "quantloupe-cli: warning: " << warning << '\n';
    options.has("json") ? printJson(**model, context.out) : printText(**model, context.out);
    return 0;
}

} // namespace ql::cli
