// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/recipedialog.h"

#include "core/io/atomicfile.h"
#include "widgets/models/coretext.h"
#include "widgets/panels/inlinebar.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QClipboard>
#include <QDialogButtonBox>
#include <QFileDialog>
#include <QFontDatabase>
#include <QLabel>
#include <QListWidget>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSplitter>
#include <QVBoxLayout>

namespace ql {
namespace {

constexpr size_t kMostMarked = 3000; ///< every dialect writes that many in an instant

} // namespace

RecipeDialog::RecipeDialog(std::shared_ptr<const Model> model, Policy policy, QWidget* parent)
    : QDialog(parent), m_model(std::move(model)), m_policy(std::move(policy)), m_dialects(new QListWidget(this)),
      m_about(new QLabel(this)), m_bar(new InlineBar(this)), m_text(new QPlainTextEdit(this)),
      m_lostTitle(new QLabel(this)), m_lost(new QListWidget(this))
{
    setWindowTitle(tr("Export recipe"));
    m_dialects->setAccessibleName(tr("Dialect"));
    m_dialects->setIconSize({16, 16});
    m_dialects->setStyleSheet(QStringLiteral("QListView::item { padding: 5px 4px; }"));
    for (const Dialect& row : dialects()) {
        auto* item = new QListWidgetItem(fromStd(row.label), m_dialects);
        item->setData(Qt::UserRole, fromStd(row.id));
        item->setToolTip(fromStd(row.summary));
    }
    const int mark = m_dialects->iconSize().width() + theme::kSpacing; // comes later
    m_dialects->setFixedWidth(m_dialects->sizeHintForColumn(0) + mark + 4 * theme::kSpacing);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    m_copy = buttons->addButton(tr("&Copy"), QDialogButtonBox::ActionRole);
    m_save = buttons->addButton(tr("&Save as…"), QDialogButtonBox::ActionRole);
    auto* parts = new QHBoxLayout;
    parts->setSpacing(2 * theme::kSpacing);
    parts->addWidget(m_dialects);
    parts->addWidget(buildRecipe(), 1);
    auto* layout = new QVBoxLayout(this);
    layout->setSpacing(theme::kSpacing);
    layout->addLayout(parts, 1);
    layout->addWidget(buttons);
    resize(980, 620);

    connect(m_dialects, &QListWidget::currentRowChanged, this, &RecipeDialog::showRecipe);
    connect(m_copy, &QPushButton::clicked, this, [this] { QApplication::clipboard()->setText(m_text->toPlainText()); });
    connect(m_save, &QPushButton::clicked, this, &RecipeDialog::saveAs);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    markDialects();
    m_dialects->setCurrentRow(0);
}

QWidget* RecipeDialog::buildRecipe()
{
    m_about->setWordWrap(true);
    m_text->setReadOnly(true);
    m_text->setLineWrapMode(QPlainTextEdit::NoWrap);
    m_text->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_text->setAccessibleName(tr("Text of the recipe"));
    m_lost->setWordWrap(true);
    m_lost->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_lost->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_lost->setResizeMode(QListView::Adjust);
    m_lost->setAccessibleName(tr("What the recipe cannot say"));
    m_lostTitle->setBuddy(m_lost);
    auto* losses = new QWidget(this);
    auto* lower = new QVBoxLayout(losses);
    lower->setContentsMargins(0, 0, 0, 0);
    lower->setSpacing(theme::kSpacing / 2);
    lower->addWidget(m_lostTitle);
    lower->addWidget(m_lost, 1);
    auto* splitter = new QSplitter(Qt::Vertical, this);
    splitter->addWidget(m_text);
    splitter->addWidget(losses);
    splitter->setStretchFactor(0, 2);
    splitter->setStretchFactor(1, 1);
    splitter->setChildrenCollapsible(false);
    auto* box = new QWidget(this);
    auto* column = new QVBoxLayout(box);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(theme::kSpacing);
    column->addWidget(m_about);
    column->addWidget(m_bar);
    column->addWidget(splitter, 1);
    return box;
}

/// Marks which dialects say all, lose something, or cannot say it at all.
void RecipeDialog::markDialects()
{
    if (m_model->tensors().size() > kMostMarked)
        return;
    for (int row = 0; row < m_dialects->count(); ++row) {
        const auto written = dialects()[size_t(row)].write(m_policy, *m_model);
        const char* icon = !written.ok() ? "error" : written->lost.empty() ? "check" : "warning";
        const QString says = !written.ok()             ? tr("Cannot say this policy.")
                             : written->lost.empty()   ? tr("Says all of the policy.")
                             : written->lost.size() == 1 ? tr("Loses one thing.")
                                                         : tr("Loses %1 things.").arg(written->lost.size());
        QListWidgetItem* item = m_dialects->item(row);
        item->setIcon(theme::icon(QString::fromLatin1(icon)));
        item->setToolTip(says + QLatin1Char('\n') + fromStd(dialects()[size_t(row)].summary));
    }
}

const Dialect& RecipeDialog::dialect() const
{
    return dialects()[size_t(std::max(0, m_dialects->currentRow()))];
}

void RecipeDialog::showRecipe()
{
    m_about->setText(fromStd(dialect().summary));
    m_bar->hide();
    const auto written = dialect().write(m_policy, *m_model);
    m_text->setPlainText(written.ok() ? fromStd(written->text) : QString());
    m_text->setEnabled(written.ok());
    if (!written.ok())
        m_bar->showMessage(InlineBar::Level::Error, fromStd(written.error().text()));
    m_copy->setEnabled(written.ok());
    m_save->setEnabled(written.ok());
    m_lost->clear();
    for (const std::string& line : written.ok() ? written->lost : std::vector<std::string>())
        m_lost->addItem(fromStd(line));
    const int lost = m_lost->count();
    m_lostTitle->setText(!written.ok() ? tr("Nothing can be written.")
                         : lost > 0    ? tr("What it cannot say (%1):").arg(lost)
                                       : tr("It says all of the policy."));
    m_lost->setVisible(lost > 0);
}

void RecipeDialog::saveAs()
{
    const QString path = QFileDialog::getSaveFileName(this, tr("Save recipe"), fromStd(dialect().fileName));
    if (path.isEmpty())
        return;
    const Status saved = writeFileAtomically(path.toStdString(), m_text->toPlainText().toStdString());
    if (saved.ok())
        m_bar->showMessage(InlineBar::Level::Info, tr("Saved %1.").arg(path));
    else
        m_bar->showMessage(InlineBar::Level::Error, fromStd(saved.error().text()));
}

} // namespace ql
