// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli diff: two checkpoints, tensor by tensor.
#include "app/cli/options.h"
#include "app/cli/table.h"
#include "core/base/format.h"
#include "core/compare/differencetext.h"
#include "core/io/atomicfile.h"

#include <algorithm>
#include <ostream>

namespace ql::cli {
namespace {

std::string shapeText(int64_t rows, int64_t cols)
{
    return std::to_string(rows) + "x" + std::to_string(cols);
}

std::string change(const std::string& a, const std::string& b)
{
    return a == b ? a : (a.empty() ? "-" : a) + " -> " + (b.empty() ? "-" : b);
}

void printText(const ModelDifference& difference, std::ostream& out)
{
    Table table({{"name"}, {"type"}, {"shape"}, {"rel. error", true}, {"SQNR dB", true}, {"MSE", true},
                 {"max error", true}, {"cosine", true}, {"note"}});
    for (const size_t index : byRelativeError(difference)) {
        const TensorDifference& tensor = difference.tensors[index];
        std::vector<std::string> row{tensor.name, change(tensor.typeA, tensor.typeB),
                                     change(tensor.pair.a < 0 ? "" : shapeText(tensor.rowsA, tensor.colsA),
                                            tensor.pair.b < 0 ? "" : shapeText(tensor.rowsB, tensor.colsB))};
        if (const auto& m = tensor.metrics)
            row.insert(row.end(), {formatSignificant(m->relativeError()), formatSignificant(m->sqnrDb()),
                                   formatSignificant(m->mse()), formatSignificant(m->maxAbsError),
                                   formatSignificant(m->cosine(), 5)});
        else
            row.insert(row.end(), 5, std::string());
        const std::string unlike =
            tensor.unlike ? std::to_string(tensor.unlike) + " values are NaN or infinite in one only" : std::string();
        row.push_back(unlike.empty() || tensor.note.empty() ? unlike + tensor.note : unlike + "; " + tensor.note);
        table.add(std::move(row));
    }
    table.print(out);
    const ErrorMetrics& total = difference.total;
    out << '\n' << difference.compared << " tensors compared, " << difference.equal << " of them equal; "
        << difference.onlyA << " only in A, " << difference.onlyB << " only in B, " << difference.notComparable
        << " not comparable\n";
    if (difference.compared > difference.equal)
        out << "total: relative error " << formatSignificant(total.relativeError()) << ", SQNR "
            << formatSignificant(total.sqnrDb()) << " dB, largest error " << formatSignificant(total.maxAbsError) << '\n';
    for (const std::string& note : difference.notes)
        out << "note: " << note << '\n';
}

/// Pairs whose name in either model matches. EmptySelection, InvalidArgument.
Status keepSelected(const Model& a, const Model& b, const std::string& pattern, std::vector<TensorPair>& pairs)
{
    if (pattern.empty())
        return {};
    const auto inA = selectTensors(a, pattern), inB = selectTensors(b, pattern);
    if (!inA.ok() && (!inB.ok() || inA.error().code != ErrorCode::EmptySelection))
        return inA.error();
    const auto has = [](const Result<std::vector<int>>& selected, int tensor) {
        return selected.ok() && std::binary_search(selected->begin(), selected->end(), tensor);
    };
    std::erase_if(pairs, [&](const TensorPair& pair) { return !has(inA, pair.a) && !has(inB, pair.b); });
    return {};
}

} // namespace

int runDiff(const QStringList& arguments, Context& context)
{
    Options options("diff");
    options.positional("A", "file or folder").positional("B", "file or folder; what is compared with A")
        .flag("json", "one JSON document on stdout")
        .value("tensor", "RE", "only tensors whose name in A or B matches")
        .value("csv", "FILE", "also write the figures as CSV")
        .flag("read", "read the files instead of mapping them");
    if (const auto code = begin(options, arguments, context))
        return *code;
    const FileAccess access = options.has("read") ? FileAccess::Read : FileAccess::Map;
    const auto a = Model::open(options.argument(0), access);
    if (!a.ok())
        return fail(context, a.error());
    const auto b = Model::open(options.argument(1), access);
    if (!b.ok())
        return fail(context, b.error());
    ModelMatch match = matchModels(**a, **b);
    if (const Status selected = keepSelected(**a, **b, options.text("tensor"), match.pairs); !selected.ok())
        return fail(context, selected.error());
    ThreadPool pool;
    auto difference = compareModels(**a, **b, match.pairs, pool, progressJob(context, "comparing"));
    if (!difference.ok())
        return fail(context, difference.error());
    difference->notes = std::move(match.notes);
    if (options.has("csv")) {
        if (const Status written = writeFileAtomically(options.text("csv"), differenceToCsv(*difference)); !written.ok())
            return fail(context, written.error());
    }
    if (options.has("json"))
        context.out << differenceToJson(**a, **b, *difference);
    else
        printText(*difference, context.out);
    return 0;
}

} // namespace ql::cli
