// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/exportdialog.h"

#include "core/base/format.h"
#include "widgets/theme.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QStorageInfo>
#include <QToolButton>

namespace ql {

ExportDialog::ExportDialog(std::shared_ptr<const Model> model, std::vector<Decision> decisions, QWidget* parent)
    : QDialog(parent), m_model(std::move(model)), m_decisions(std::move(decisions)), m_format(new QComboBox(this)),
      m_path(new QLineEdit(this)), m_summary(new QLabel(this)), m_details(new QPlainTextEdit(this))
{
    setWindowTitle(tr("Export checkpoint"));
    m_format->addItem(tr("Dequantized: safetensors in the source type, loads everywhere"), int(ExportFormat::Dequantized));
    m_format->addItem(tr("Codes: safetensors with codes, scales and zero points"), int(ExportFormat::Codes));
    m_format->addItem(tr("GGUF: for llama.cpp and programs built on it"), int(ExportFormat::Gguf));
    const QFileInfo source(QString::fromStdString(m_model->path()));
    const QString stem = source.isDir() ? source.fileName() : source.completeBaseName();
    m_path->setText(source.absolutePath() + QStringLiteral("/%1-quantized.safetensors").arg(stem));
    m_path->setMinimumWidth(380);
    auto* browse = new QToolButton(this);
    browse->setText(tr("Choose…"));
    m_details->setReadOnly(true);
    m_summary->setWordWrap(true);

    auto* place = new QHBoxLayout;
    place->addWidget(m_path);
    place->addWidget(browse);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Cancel, this);
    m_write = buttons->addButton(tr("Write"), QDialogButtonBox::AcceptRole);
    auto* layout = new QFormLayout(this);
    layout->setSpacing(theme::kSpacing);
    layout->addRow(tr("Format"), m_format);
    layout->addRow(tr("File"), place);
    layout->addRow(m_summary);
    layout->addRow(m_details);
    layout->addRow(buttons);

    connect(browse, &QToolButton::clicked, this, [this] {
        const bool gguf = format() == ExportFormat::Gguf;
        const QString chosen = QFileDialog::getSaveFileName(this, tr("Export to"), m_path->text(),
                                                            gguf ? tr("GGUF (*.gguf)") : tr("safetensors (*.safetensors)"));
        if (!chosen.isEmpty())
            m_path->setText(chosen);
    });
    connect(m_format, &QComboBox::currentIndexChanged, this, [this] {
        const bool gguf = format() == ExportFormat::Gguf;
        const QString suffix = gguf ? QStringLiteral(".gguf") : QStringLiteral(".safetensors");
        const QString other = gguf ? QStringLiteral(".safetensors") : QStringLiteral(".gguf");
        if (const QString path = m_path->text(); path.endsWith(other))
            m_path->setText(path.chopped(other.size()) + suffix);
        refresh();
    });
    connect(m_path, &QLineEdit::textChanged, this, &ExportDialog::refresh);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    refresh();
}

QString ExportDialog::path() const
{
    return m_path->text();
}

ExportFormat ExportDialog::format() const
{
    return ExportFormat(m_format->currentData().toInt());
}

void ExportDialog::refresh()
{
    // A plan may read a large tokenizer; typing a path must not wait for it.
    auto known = m_plans.find(format());
    if (known == m_plans.end())
        known = m_plans.emplace(format(), planExport(*m_model, m_decisions, format())).first;
    const Result<ExportPlan>& plan = known->second;
    if (!plan.ok()) {
        m_summary->setText(QString::fromStdString(plan.error().text()));
        m_write->setEnabled(false);
        return;
    }
    const QStorageInfo storage(QFileInfo(m_path->text()).absolutePath());
    QStringList lines;
    for (const std::string& warning : plan->warnings)
        lines << QString::fromStdString(warning);
    for (const PlanEntry& entry : plan->entries) {
        const QString name = QString::fromStdString(entry.tensor);
        if (!entry.decision.fallback.empty())
            lines << name + QStringLiteral(": ") + QString::fromStdString(entry.decision.fallback);
        for (const std::string& warning : entry.warnings)
            lines << name + QStringLiteral(": ") + QString::fromStdString(warning);
    }
    const uint64_t available = storage.isValid() ? uint64_t(storage.bytesAvailable()) : 0;
    m_summary->setText(tr("Writes %1 (%2 free there). Packed by its schemes the model takes %3, %4 bits per weight.")
                           .arg(QString::fromStdString(formatBytes(plan->fileBytes)),
                                QString::fromStdString(formatBytes(available)),
                                QString::fromStdString(formatBytes(plan->quantizedBytes)),
                                QString::fromStdString(formatSignificant(plan->bitsPerWeight))));
    if (QFileInfo::exists(m_path->text()))
        lines.prepend(tr("%1 exists and will be replaced.").arg(QFileInfo(m_path->text()).fileName()));
    m_details->setPlainText(lines.isEmpty() ? tr("No fallbacks and no warnings.") : lines.join(QLatin1Char('\n')));
    m_write->setEnabled(available > plan->fileBytes && !m_path->text().isEmpty());
    m_write->setToolTip(m_write->isEnabled() ? QString() : tr("There is not enough room for the file."));
}

} // namespace ql
