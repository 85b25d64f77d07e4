// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compare/differencetext.h"

#include "core/base/csv.h"
#include "core/base/format.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ql {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value)
{
    return std::isfinite(value) ? Json(value) : Json();
}

void addFigures(Json& json, const ErrorMetrics& metrics)
{
    json["mse"] = number(metrics.mse());
    json["rel_error"] = number(metrics.relativeError());
    json["sqnr_db"] = number(metrics.sqnrDb());
    json["max_abs_error"] = number(metrics.maxAbsError);
    json["mean_abs_error"] = number(metrics.meanAbsError());
    json["cosine"] = number(metrics.cosine());
}

Json toJson(const TensorDifference& tensor)
{
    Json json;
    json["name"] = tensor.name;
    if (tensor.nameB != tensor.name)
        json["name_b"] = tensor.nameB;
    json["type_a"] = tensor.typeA;
    json["type_b"] = tensor.typeB;
    json["shape_a"] = {tensor.rowsA, tensor.colsA};
    json["shape_b"] = {tensor.rowsB, tensor.colsB};
    if (tensor.metrics) {
        addFigures(json, *tensor.metrics);
        json["unlike"] = tensor.unlike;
    }
    if (!tensor.note.empty())
        json["note"] = tensor.note;
    return json;
}

Json toJson(const Model& model)
{
    return {{"path", model.path()}, {"format", formatName(model.format())}, {"fingerprint", model.fingerprint()},
            {"bytes", model.bytes()}};
}

std::string shapeText(int64_t rows, int64_t cols)
{
    return std::to_string(rows) + "x" + std::to_string(cols);
}

} // namespace

std::string differenceToJson(const Model& a, const Model& b, const ModelDifference& difference)
{
    Json json;
    json["a"] = toJson(a);
    json["b"] = toJson(b);
    json["tensors"] = Json::array();
    json["only_a"] = Json::array();
    json["only_b"] = Json::array();
    for (const TensorDifference& tensor : difference.tensors) {
        if (tensor.pair.b < 0)
            json["only_a"].push_back(tensor.name);
        else if (tensor.pair.a < 0)
            json["only_b"].push_back(tensor.name);
        else
            json["tensors"].push_back(toJson(tensor));
    }
    json["total"]["compared"] = difference.compared;
    json["total"]["equal"] = difference.equal;
    addFigures(json["total"], difference.total);
    json["notes"] = difference.notes;
    return json.dump(1) + "\n";
}

std::string differenceToCsv(const ModelDifference& difference)
{
    std::string csv = "name,name_b,type_a,type_b,shape_a,shape_b,mse,rel_error,sqnr_db,max_abs_error,mean_abs_error,"
                      "cosine,unlike,note\n";
    for (const TensorDifference& tensor : difference.tensors) {
        csv += csvField(tensor.name) + ',' + csvField(tensor.nameB) + ',' + csvField(tensor.typeA) + ',' + csvField(tensor.typeB) + ',' +
               (tensor.pair.a < 0 ? "" : shapeText(tensor.rowsA, tensor.colsA)) + ',' +
               (tensor.pair.b < 0 ? "" : shapeText(tensor.rowsB, tensor.colsB));
        if (const auto& m = tensor.metrics) {
            for (const double value : {m->mse(), m->relativeError(), m->sqnrDb(), m->maxAbsError, m->meanAbsError(),
                                       m->cosine()})
                csv += ',' + formatExact(value);
            csv += ',' + std::to_string(tensor.unlike);
        } else {
            csv += ",,,,,,,";
        }
        csv += ',' + csvField(tensor.note) + '\n';
    }
    return csv;
}

std::vector<size_t> byRelativeError(const ModelDifference& difference)
{
    std::vector<size_t> order(difference.tensors.size());
    std::iota(order.begin(), order.end(), size_t(0));
    const auto rank = [&](size_t i) {
        const TensorDifference& tensor = difference.tensors[i];
        const int kind = tensor.metrics ? 0 : tensor.pair.a >= 0 && tensor.pair.b >= 0 ? 1 : 2;
        return std::pair(kind, tensor.metrics ? -tensor.metrics->relativeError() : 0.0);
    };
    std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return rank(x) < rank(y); });
    return order;
}

} // namespace ql
