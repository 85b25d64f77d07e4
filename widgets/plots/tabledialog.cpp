// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/tabledialog.h"

#include "widgets/theme.h"

#include <QAbstractTableModel>
#include <QApplication>
#include <QClipboard>
#include <QDialogButtonBox>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QTableView>
#include <QVBoxLayout>

namespace ql {
namespace {

class PlotTableModel : public QAbstractTableModel
{
public:
    PlotTableModel(PlotTable table, QObject* parent) : QAbstractTableModel(parent), m_table(std::move(table)) {}

    int rowCount(const QModelIndex& parent = {}) const override
    {
        return parent.isValid() ? 0 : int(m_table.rows.size());
    }
    int columnCount(const QModelIndex& parent = {}) const override
    {
        return parent.isValid() ? 0 : int(m_table.header.size());
    }
    QVariant data(const QModelIndex& index, int role) const override
    {
        if (role == Qt::DisplayRole)
            return m_table.rows[size_t(index.row())].value(index.column());
        if (role == Qt::TextAlignmentRole)
            return int(Qt::AlignRight | Qt::AlignVCenter);
        return role == Qt::FontRole ? QVariant(theme::numberFont()) : QVariant();
    }
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override
    {
        if (role != Qt::DisplayRole)
            return {};
        return orientation == Qt::Horizontal ? QVariant(m_table.header.value(section)) : QVariant(section + 1);
    }

private:
    PlotTable m_table;
};

} // namespace

TableDialog::TableDialog(PlotTable table, const QString& caption, QWidget* parent)
    : QDialog(parent)
{
    setWindowTitle(tr("Data of the plot"));
    const QByteArray csv = table.csv(caption);
    auto* title = new QLabel(caption);
    title->setWordWrap(true);
    auto* view = new QTableView;
    view->setModel(new PlotTableModel(std::move(table), view));
    view->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    view->horizontalHeader()->setResizeContentsPrecision(50);
    view->setAlternatingRowColors(true);
    view->setAccessibleName(tr("Data of the plot"));
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close);
    QPushButton* copy = buttons->addButton(tr("Copy as CSV"), QDialogButtonBox::ActionRole);
    connect(copy, &QPushButton::clicked, this,
            [csv] { QApplication::clipboard()->setText(QString::fromUtf8(csv)); });
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(title);
    layout->addWidget(view);
    layout->addWidget(buttons);
    resize(560, 480);
}

} // namespace ql
