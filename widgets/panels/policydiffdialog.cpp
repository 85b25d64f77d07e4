// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/policydiffdialog.h"

#include "widgets/models/policydiffmodel.h"
#include "widgets/theme.h"

#include <QDialogButtonBox>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QSortFilterProxyModel>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

namespace ql {

PolicyDiffDialog::PolicyDiffDialog(QWidget* parent)
    : QDialog(parent)
    , m_model(new PolicyDiffModel(this))
    , m_title(new QLabel(this))
    , m_summary(new QLabel(this))
    , m_table(new QTableView(this))
    , m_swap(new QToolButton(this))
{
    setWindowTitle(tr("Compare policies"));
    resize(860, 480);
    auto* sorted = new QSortFilterProxyModel(this);
    sorted->setSourceModel(m_model);
    sorted->setSortRole(PolicyDiffModel::SortRole);
    m_table->setModel(sorted);
    m_table->setSortingEnabled(true);
    m_table->sortByColumn(PolicyDiffModel::TensorColumn, Qt::AscendingOrder);
    m_table->setSelectionBehavior(QTableView::SelectRows);
    m_table->setShowGrid(false);
    m_table->setWordWrap(false);
    m_table->setTextElideMode(Qt::ElideMiddle);
    m_table->setFrameShape(QFrame::NoFrame);
    m_table->verticalHeader()->hide();
    m_table->verticalHeader()->setDefaultSectionSize(3 * theme::kSpacing);
    m_table->setAccessibleName(tr("Tensors that differ"));
    m_table->horizontalHeader()->setSectionResizeMode(QHeaderView::Interactive);
    m_table->horizontalHeader()->setSectionResizeMode(PolicyDiffModel::TensorColumn, QHeaderView::Stretch);
    m_summary->setWordWrap(true);
    m_summary->setForegroundRole(QPalette::PlaceholderText);
    m_swap->setIcon(theme::icon(QStringLiteral("swap")));
    m_swap->setText(tr("Swap sides"));
    m_swap->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_swap->setCheckable(true);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    m_take = buttons->addButton(tr("Take over the selected"), QDialogButtonBox::ActionRole);
    m_whole = buttons->addButton(tr("Take over all"), QDialogButtonBox::ActionRole);
    m_take->setAutoDefault(false);
    m_whole->setAutoDefault(false);

    auto* top = new QHBoxLayout;
    top->addWidget(m_title, 1);
    top->addWidget(m_swap);
    auto* column = new QVBoxLayout(this);
    column->addLayout(top);
    column->addWidget(m_summary);
    column->addWidget(m_table, 1);
    column->addWidget(buttons);
    connect(m_swap, &QToolButton::toggled, this, [this](bool swapped) {
        m_model->setSwapped(swapped);
        showTitles();
    });
    connect(m_take, &QPushButton::clicked, this, [this] { Q_EMIT changesWanted(selected()); });
    connect(m_whole, &QPushButton::clicked, this, &PolicyDiffDialog::wholeWanted);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::close);
    connect(m_table->selectionModel(), &QItemSelectionModel::selectionChanged, this, [this] { m_take->setEnabled(!selected().isEmpty()); });
    connect(m_table, &QTableView::doubleClicked, this, [this, sorted](const QModelIndex& index) {
        Q_EMIT tensorPicked(m_model->diff().changes[size_t(sorted->mapToSource(index).row())].tensor);
    });
}

void PolicyDiffDialog::setDiff(const QString& name, std::shared_ptr<const Model> model, PolicyDiff diff)
{
    m_name = name;
    m_model->setDiff(std::move(model), std::move(diff));
    m_table->setColumnHidden(PolicyDiffModel::ErrorColumn,
                             std::none_of(m_model->diff().changes.begin(), m_model->diff().changes.end(),
                                          [](const PolicyChange& change) { return change.errorBefore && change.errorAfter; }));
    const int digit = m_table->fontMetrics().horizontalAdvance('0');
    for (const int column : {PolicyDiffModel::BeforeColumn, PolicyDiffModel::AfterColumn})
        m_table->horizontalHeader()->resizeSection(column, digit * 24);
    m_take->setEnabled(false);
    m_whole->setEnabled(!m_model->diff().empty());
    showTitles();
}

void PolicyDiffDialog::showTitles()
{
    const QString other = tr("“%1”").arg(m_name);
    m_title->setText(m_swap->isChecked() ? tr("From %1 to the present policy").arg(other) : tr("From the present policy to %1").arg(other));
    m_summary->setText(m_model->summary());
    m_take->setToolTip(tr("Gives the selected tensors what %1 says, as one step.").arg(other));
    m_whole->setToolTip(tr("Replaces the present policy by %1, as one step.").arg(other));
}

QList<int> PolicyDiffDialog::selected() const
{
    QList<int> changes;
    const auto* sorted = static_cast<const QSortFilterProxyModel*>(m_table->model());
    for (const QModelIndex& index : m_table->selectionModel()->selectedRows())
        changes << sorted->mapToSource(index).row();
    return changes;
}

} // namespace ql
