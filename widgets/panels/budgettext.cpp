// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/budgettext.h"

#include "widgets/models/numbertext.h"
#include "widgets/panels/budgetpage.h"
#include "widgets/panels/devicechip.h"

namespace ql::budgettext {
namespace {

struct SearchMeasureRow {
    SearchMeasure measure;
    const char* title;
    const char* unit;
    const char* tip;
};
#define T(text) QT_TRANSLATE_NOOP("ql::BudgetPage", text)
constexpr SearchMeasureRow kSearchMeasureRows[] = {
    {SearchMeasure::Weight, T("Relative weight error"), "",
     T("Σ ‖Ŵ − W‖² ÷ ‖W‖² over the matrices, each counting alike. To first order the loss rises by such ratios times a "
       "constant per layer")},
    {SearchMeasure::WeightBySize, T("Weight error by size"), "",
     T("The same ratios weighted by each matrix's share of the parameters: the mean over weights")},
    {SearchMeasure::Output, T("Relative output error"), "",
     T("Σ E‖xWᵀ − xŴᵀ‖² ÷ E‖xWᵀ‖² over the inputs that the calibration saw; the weight error where it saw none")},
    {SearchMeasure::Kl, T("KL of single swaps"), T("nats per token"),
     T("Σ KL divergence of the predictions when one matrix alone is quantized, over the text of the Evaluate page, at most "
       "16 sequences of it. Runs the model once per candidate and matrix, so it takes long")},
};
#undef T

const SearchMeasureRow& rowOf(SearchMeasure measure)
{
    return kSearchMeasureRows[size_t(measure)];
}

} // namespace

QString title(SearchMeasure measure)
{
    return BudgetPage::tr(rowOf(measure).title);
}

QString unit(SearchMeasure measure)
{
    return *rowOf(measure).unit ? BudgetPage::tr(rowOf(measure).unit) : QString();
}

QString meaning(SearchMeasure measure)
{
    return BudgetPage::tr(rowOf(measure).tip);
}

QString result(const BudgetSearch& search, const Allocation& found)
{
    const QString size =
        BudgetPage::tr("%1, %2 bits per weight").arg(bytesText(found.bytes), numberText(search.bitsPerWeight(found.bytes), 4));
    const QString least = found.exact ? BudgetPage::tr("the least there is")
                                      : BudgetPage::tr("at most %1 % above the least there is")
                                            .arg(numberText(found.cost > 0 ? 100 * found.gap() / found.cost : 0, 2));
    return BudgetPage::tr("%1; %2 %3, %4.").arg(size, title(search.table().measure).toLower(), numberText(found.cost), least);
}

QString facts(const CostTable& table)
{
    QStringList lines;
    int kept = 0;
    uint64_t bytes = 0;
    for (const CostTable::Row& row : table.rows) {
        kept += row.asStored;
        bytes += row.asStored ? row.cells.front().bytes : 0;
    }
    if (kept > 0)
        lines << BudgetPage::tr("%1 (%2).").arg(counted(kept, BudgetPage::tr("1 tensor stays as stored"),
                                                        BudgetPage::tr("%1 tensors stay as stored")),
                                                bytesText(bytes));
    lines << BudgetPage::tr("Measured in %1 s on %2.").arg(numberText(table.seconds), shortDeviceName(QString::fromStdString(table.device)));
    return lines.join(QLatin1Char(' '));
}

} // namespace ql::budgettext
