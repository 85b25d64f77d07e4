// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/recipeimport.h"

#include "core/io/atomicfile.h"
#include "core/policy/policydiff.h"
#include "widgets/models/coretext.h"
#include "widgets/models/numbertext.h"
#include "widgets/panels/inlinebar.h"
#include "widgets/theme.h"

#include <QDialogButtonBox>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QFontDatabase>
#include <QLabel>
#include <QListWidget>
#include <QMimeData>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QRegularExpression>
#include <QTextBlock>
#include <QVBoxLayout>

namespace ql {
namespace {

constexpr uint64_t kLargest = 8 << 20;
constexpr int kCheckMs = 150;

} // namespace

RecipeImport::RecipeImport(std::shared_ptr<const Model> model, Policy present, QWidget* parent)
    : QDialog(parent), m_model(std::move(model)), m_present(std::move(present)), m_source(new QLabel(this)),
      m_text(new QPlainTextEdit(this)), m_bar(new InlineBar(this)), m_changes(new QLabel(this)),
      m_leftTitle(new QLabel(this)), m_left(new QListWidget(this))
{
    setWindowTitle(tr("Import recipe"));
    setAcceptDrops(true);
    build();
    m_typing.setSingleShot(true);
    m_typing.setInterval(kCheckMs);
    connect(&m_typing, &QTimer::timeout, this, &RecipeImport::check);
    connect(m_text, &QPlainTextEdit::textChanged, this, [this] {
        m_import->setEnabled(false);
        m_typing.start();
    });
    resize(760, 620);
    check();
}

void RecipeImport::build()
{
    auto* open = new QPushButton(theme::icon(QStringLiteral("open")), tr("&Open file…"), this);
    open->setAutoDefault(false);
    m_source->setWordWrap(true);
    m_text->setLineWrapMode(QPlainTextEdit::NoWrap);
    m_text->setAcceptDrops(false); // the dialog takes files
    m_text->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_text->setAccessibleName(tr("Text of the recipe"));
    QStringList known;
    for (const Dialect& row : dialects())
        known << fromStd(row.label);
    m_text->setPlaceholderText(tr("Open or drop a file, or paste a recipe here:\n%1").arg(known.join(QLatin1Char('\n'))));
    m_changes->setWordWrap(true);
    m_changes->setAccessibleName(tr("What would change"));
    m_left->setWordWrap(true);
    m_left->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_left->setResizeMode(QListView::Adjust);
    m_left->setMaximumHeight(18 * theme::kSpacing);
    m_left->setAccessibleName(tr("What is left out"));
    m_leftTitle->setBuddy(m_left);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Cancel, this);
    m_import = buttons->addButton(tr("&Import"), QDialogButtonBox::AcceptRole);
    auto* top = new QHBoxLayout;
    top->addWidget(open);
    top->addWidget(m_source, 1);
    auto* column = new QVBoxLayout(this);
    column->setSpacing(theme::kSpacing);
    column->addLayout(top);
    column->addWidget(m_text, 1);
    column->addWidget(m_bar);
    column->addWidget(m_leftTitle);
    column->addWidget(m_left);
    column->addWidget(m_changes);
    column->addWidget(buttons);
    connect(open, &QPushButton::clicked, this, &RecipeImport::askForFile);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
}

void RecipeImport::askForFile()
{
    const QString path = QFileDialog::getOpenFileName(this, tr("Import recipe"), {},
                                                      tr("Recipes (*.json *.yaml *.yml *.txt *.args);;All files (*)"));
    if (!path.isEmpty())
        openFile(path);
}

void RecipeImport::openFile(const QString& path)
{
    const auto text = readWholeFile(path.toStdString(), kLargest);
    m_path = path;
    m_text->setPlainText(text.ok() ? fromStd(*text) : QString());
    check();
    if (!text.ok())
        showProblem(text.error());
}

QString RecipeImport::name() const
{
    return m_path.isEmpty() ? m_dialectName : QFileInfo(m_path).fileName();
}

void RecipeImport::check()
{
    m_typing.stop();
    m_policy.reset();
    m_dialectName.clear();
    m_bar->hide();
    m_text->setExtraSelections({});
    std::vector<std::string> warnings;
    const std::string text = m_text->toPlainText().toStdString();
    const std::string where = m_path.isEmpty() ? std::string() : QFileInfo(m_path).fileName().toStdString();
    const auto read = [&]() -> Result<Policy> {
        QL_TRY(const Dialect* dialect, detectDialect(text, where));
        m_dialectName = fromStd(dialect->label);
        return dialect->read({text, where, m_model.get(), &warnings});
    };
    const bool empty = m_text->toPlainText().trimmed().isEmpty();
    if (!empty) {
        auto found = read();
        if (found.ok())
            m_policy = std::move(*found);
        else
            showProblem(found.error());
    }
    const QString file = m_path.isEmpty() ? QString() : QFileInfo(m_path).fileName();
    m_source->setText(m_dialectName.isEmpty() ? file
                      : file.isEmpty()        ? m_dialectName
                                              : tr("%1: %2").arg(file, m_dialectName));
    m_left->clear();
    for (const std::string& warning : warnings)
        m_left->addItem(fromStd(warning));
    const bool left = m_policy && m_left->count() > 0;
    m_leftTitle->setText(tr("What is left out (%1):").arg(m_left->count()));
    m_leftTitle->setVisible(left);
    m_left->setVisible(left);
    showChanges();
}

/// The message, and the line that it names.
void RecipeImport::showProblem(const Error& error)
{
    const QString message = fromStd(error.text());
    m_bar->showMessage(InlineBar::Level::Error, message);
    static const QRegularExpression kLine(QStringLiteral("line (\\d+)"));
    const int line = kLine.match(message).captured(1).toInt();
    const QTextBlock block = m_text->document()->findBlockByNumber(line - 1);
    if (line < 1 || !block.isValid())
        return;
    QTextEdit::ExtraSelection mark;
    mark.cursor = QTextCursor(block);
    mark.format.setBackground(theme::color(Ink::ErrorBackground));
    mark.format.setProperty(QTextFormat::FullWidthSelection, true);
    m_text->setExtraSelections({mark});
}

void RecipeImport::showChanges()
{
    const auto diff = m_policy ? diffPolicies(*m_model, m_present, *m_policy) : Result<PolicyDiff>(PolicyDiff());
    if (!diff.ok()) {
        m_policy.reset();
        showProblem(diff.error());
    }
    m_import->setEnabled(m_policy.has_value());
    m_changes->setVisible(m_policy.has_value());
    if (m_policy)
        m_changes->setText(diff->empty() ? tr("It says what the policy says already.")
                                         : tr("%1 of %2 tensors get another scheme; %3 → %4.")
                                               .arg(diff->changes.size())
                                               .arg(m_model->tensors().size())
                                               .arg(bytesText(diff->bytesBefore), bytesText(diff->bytesAfter)));
}

void RecipeImport::dragEnterEvent(QDragEnterEvent* event)
{
    if (event->mimeData()->hasUrls())
        event->acceptProposedAction();
}

void RecipeImport::dropEvent(QDropEvent* event)
{
    const QList<QUrl> urls = event->mimeData()->urls();
    if (!urls.isEmpty() && urls.first().isLocalFile())
        openFile(urls.first().toLocalFile());
}

} // namespace ql
