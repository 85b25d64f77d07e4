// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/cliptable.h"

#include "core/base/format.h"
#include "widgets/models/coretext.h"
#include "widgets/plots/clipmethodname.h"
#include "widgets/theme.h"

#include <QDialogButtonBox>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QTableWidget>
#include <QVBoxLayout>

#include <algorithm>

namespace ql {
namespace {

QString number(double value)
{
    return QString::fromStdString(formatSignificant(value));
}

QTableWidgetItem* cell(const QString& text, bool isNumber)
{
    auto* item = new QTableWidgetItem(text);
    item->setTextAlignment((isNumber ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    item->setFlags(Qt::ItemIsSelectable | Qt::ItemIsEnabled);
    return item;
}

} // namespace

ClipTable::ClipTable(QWidget* parent) : QDialog(parent), m_caption(new QLabel(this)), m_table(new QTableWidget(this))
{
    setWindowTitle(tr("Compare clip methods"));
    resize(520, 280);
    m_caption->setWordWrap(true);
    m_table->setColumnCount(4);
    m_table->setHorizontalHeaderLabels({tr("Method"), tr("Limit"), tr("Share of range"), tr("MSE")});
    const QStringList tips{tr("How the limit is found"), tr("Clip limit in weight units; the median where groups differ"),
                           tr("Limit divided by the largest magnitude of the group"),
                           tr("Mean of the squared error over the tensor, in squared weight units")};
    for (int column = 0; column < tips.size(); ++column)
        m_table->horizontalHeaderItem(column)->setToolTip(tips[column]);
    m_table->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
    m_table->horizontalHeader()->setSectionResizeMode(0, QHeaderView::ResizeToContents);
    m_table->horizontalHeader()->setDefaultAlignment(Qt::AlignRight | Qt::AlignVCenter);
    m_table->horizontalHeaderItem(0)->setTextAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    m_table->setShowGrid(false);
    m_table->verticalHeader()->hide();
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setAccessibleName(tr("Clip methods"));
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    QPushButton* adoptButton = buttons->addButton(tr("Adopt"), QDialogButtonBox::ApplyRole);
    auto* layout = new QVBoxLayout(this);
    layout->setSpacing(theme::kSpacing);
    layout->addWidget(m_caption);
    layout->addWidget(m_table);
    layout->addWidget(buttons);
    connect(m_table, &QTableWidget::cellActivated, this, &ClipTable::adopt);
    connect(adoptButton, &QPushButton::clicked, this, [this] { adopt(m_table->currentRow()); });
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::hide);
    setStudy({}, {});
}

void ClipTable::setStudy(const QString& caption, const Shared<ClipStudy>& study)
{
    m_study = study;
    const int rows = study ? int(study->marks.size()) : 0;
    m_table->setRowCount(rows);
    if (!study) {
        m_caption->setText(tr("Select a tensor that is quantized; its clip methods will be compared here."));
        return;
    }
    m_caption->setText(tr("%1 · %2").arg(caption, QString::fromStdString(study->provenance.scheme.text())));
    const auto best = std::min_element(study->marks.begin(), study->marks.end(),
                                       [](const ClipMark& a, const ClipMark& b) { return a.mse < b.mse; });
    for (int row = 0; row < rows; ++row) {
        const ClipMark& mark = study->marks[size_t(row)];
        const ClipMethodInfo& info = clipMethodInfo(mark.method);
        QString name = fromStd(info.label);
        if (!info.parameter.empty())
            name += QLatin1Char(' ') + number(mark.parameter);
        const bool lowest = row == int(best - study->marks.begin());
        m_table->setItem(row, 0, cell(lowest ? tr("%1 (lowest error)").arg(name) : name, false));
        m_table->setItem(row, 1, cell(number(mark.limit), true));
        m_table->setItem(row, 2, cell(number(mark.ratio), true));
        m_table->setItem(row, 3, cell(number(mark.mse), true));
    }
}

void ClipTable::adopt(int row)
{
    if (!m_study || row < 0 || row >= int(m_study->marks.size()))
        return;
    Scheme scheme = m_study->provenance.scheme;
    scheme.clip = m_study->marks[size_t(row)].method;
    scheme.clipParameter = m_study->marks[size_t(row)].parameter;
    Q_EMIT schemeChosen(scheme);
}

} // namespace ql
