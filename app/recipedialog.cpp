// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/recipedialog.h"

#include "core/io/atomicfile.h"
#include "widgets/models/coretext.h"
#include "widgets/panels/inlinebar.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QFontDatabase>
#include <QFormLayout>
#include <QLabel>
#include <QListWidget>
#include <QMessageBox>
#include <QPlainTextEdit>
#include <QPushButton>

namespace ql {

RecipeDialog::RecipeDialog(std::shared_ptr<const Model> model, Policy policy, QWidget* parent)
    : QDialog(parent), m_model(std::move(model)), m_policy(std::move(policy)), m_dialect(new QComboBox(this)),
      m_about(new QLabel(this)), m_text(new QPlainTextEdit(this)), m_lostTitle(new QLabel(this)),
      m_lost(new QListWidget(this))
{
    setWindowTitle(tr("Export recipe"));
    for (const Dialect& dialect : dialects())
        m_dialect->addItem(fromStd(dialect.label), fromStd(dialect.id));
    m_dialect->setAccessibleName(tr("Dialect"));
    m_about->setWordWrap(true);
    m_text->setReadOnly(true);
    m_text->setLineWrapMode(QPlainTextEdit::NoWrap);
    m_text->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_text->setAccessibleName(tr("Text of the recipe"));
    m_lost->setWordWrap(true);
    m_lost->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_lost->setAccessibleName(tr("What the recipe cannot say"));
    m_lostTitle->setBuddy(m_lost);

    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    m_copy = buttons->addButton(tr("&Copy"), QDialogButtonBox::ActionRole);
    m_save = buttons->addButton(tr("&Save as…"), QDialogButtonBox::ActionRole);
    auto* layout = new QVBoxLayout(this);
    layout->setSpacing(theme::kSpacing);
    auto* head = new QFormLayout;
    head->addRow(tr("&Recipe for"), m_dialect);
    layout->addLayout(head);
    layout->addWidget(m_about);
    layout->addWidget(m_text, 3);
    layout->addWidget(m_lostTitle);
    layout->addWidget(m_lost, 1);
    layout->addWidget(buttons);
    resize(760, 600);

    connect(m_dialect, &QComboBox::currentIndexChanged, this, &RecipeDialog::showRecipe);
    connect(m_copy, &QPushButton::clicked, this, [this] { QApplication::clipboard()->setText(m_text->toPlainText()); });
    connect(m_save, &QPushButton::clicked, this, &RecipeDialog::saveAs);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    showRecipe();
}

void RecipeDialog::showRecipe()
{
    const Dialect* dialect = dialectFromId(m_dialect->currentData().toString().toStdString());
    m_about->setText(fromStd(dialect->summary));
    const auto written = dialect->write(m_policy, *m_model);
    m_text->setPlainText(written.ok() ? QString::fromStdString(written->text) : QString());
    m_text->setPlaceholderText(written.ok() ? QString() : QString::fromStdString(written.error().text()));
    m_copy->setEnabled(written.ok());
    m_save->setEnabled(written.ok());
    m_lost->clear();
    for (const std::string& line : written.ok() ? written->lost : std::vector<std::string>())
        m_lost->addItem(QString::fromStdString(line));
    const bool lost = m_lost->count() > 0;
    m_lostTitle->setText(!written.ok() ? tr("Nothing can be written.")
                         : lost        ? tr("What it cannot say:")
                                       : tr("It says all of the policy."));
    m_lost->setVisible(lost);
}

void RecipeDialog::saveAs()
{
    const Dialect* dialect = dialectFromId(m_dialect->currentData().toString().toStdString());
    const QString path = QFileDialog::getSaveFileName(this, tr("Save recipe"), fromStd(dialect->fileName));
    if (path.isEmpty())
        return;
    const Status saved = writeFileAtomically(path.toStdString(), m_text->toPlainText().toStdString());
    if (!saved.ok())
        QMessageBox::warning(this, tr("Save recipe"), QString::fromStdString(saved.error().text()));
}

bool importRecipe(Session& session, InlineBar& bar, const QString& path)
{
    constexpr uint64_t largest = 8 << 20;
    const std::string name = path.toStdString();
    std::vector<std::string> warnings;
    const auto read = [&]() -> Result<Policy> {
        QL_TRY(const std::string text, readWholeFile(name, largest));
        QL_TRY(const Dialect* dialect, detectDialect(text, name));
        return dialect->read({text, name, session.model().get(), &warnings});
    };
    const auto policy = read();
    if (!policy.ok()) {
        bar.showMessage(InlineBar::Level::Error, QString::fromStdString(policy.error().text()));
        return false;
    }
    QStringList lines;
    for (const std::string& warning : warnings)
        lines << QString::fromStdString(warning);
    session.changePolicy(*policy, RecipeDialog::tr("import %1").arg(QFileInfo(path).fileName()));
    if (!lines.isEmpty())
        bar.showMessage(InlineBar::Level::Warning,
                        RecipeDialog::tr("%n thing(s) of the recipe were left out: %1", nullptr, int(lines.size())).arg(lines[0]),
                        lines.join(QLatin1Char('\n')));
    return true;
}

} // namespace ql
