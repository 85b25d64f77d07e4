// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/exportdialog.h"

#include "core/base/format.h"
#include "core/io/atomicnames.h"
#include "widgets/models/numbertext.h"
#include "widgets/models/planmodel.h"
#include "widgets/panels/numberstable.h"
#include "widgets/theme.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSortFilterProxyModel>
#include <QToolButton>

namespace ql {
namespace {

constexpr double kBytesPerGigabyte = 1e9;
constexpr int kShardRow = 2; ///< of the form

struct FormatText {
    const char* name;   ///< as exportFormatName()
    const char* text;
    const char* suffix; ///< empty: a folder
};
constexpr FormatText kFormats[] = {
    {"dequantized", QT_TRANSLATE_NOOP("ql::ExportDialog", "Dequantized: safetensors in the source type, loads everywhere"),
     ".safetensors"},
    {"codes", QT_TRANSLATE_NOOP("ql::ExportDialog", "Codes: safetensors with codes, scales and zero points"), ".safetensors"},
    {"gguf", QT_TRANSLATE_NOOP("ql::ExportDialog", "GGUF: for llama.cpp and programs built on it"), ".gguf"},
    {"gptq", QT_TRANSLATE_NOOP("ql::ExportDialog", "GPTQ: a Hugging Face folder with packed integers"), ""},
    {"awq", QT_TRANSLATE_NOOP("ql::ExportDialog", "AWQ GEMM: a Hugging Face folder, 4-bit with zero points"), ""},
    {"compressed-tensors",
     QT_TRANSLATE_NOOP("ql::ExportDialog", "compressed-tensors: a folder for vLLM, integers and floats"), ""},
    {"bitsandbytes", QT_TRANSLATE_NOOP("ql::ExportDialog", "bitsandbytes: a folder with NF4 or FP4"), ""},
    {"mlx", QT_TRANSLATE_NOOP("ql::ExportDialog", "MLX: a folder for Apple machines"), ""},
};

const FormatText& textOf(ExportFormat format)
{
    for (const FormatText& row : kFormats) {
        if (exportFormatName(format) == row.name)
            return row;
    }
    return kFormats[0];
}

QString withoutSuffix(const QString& path)
{
    for (const FormatText& row : kFormats) {
        if (const QString suffix = QString::fromLatin1(row.suffix); !suffix.isEmpty() && path.endsWith(suffix))
            return path.chopped(suffix.size());
    }
    return path;
}

} // namespace

/// Passes every tensor, or those that something is to be said about.
class RemarkFilter : public QSortFilterProxyModel
{
public:
    explicit RemarkFilter(PlanModel* plan, QObject* parent) : QSortFilterProxyModel(parent), m_plan(plan)
    {
        setSourceModel(plan);
    }
    void setOnlyRemarkable(bool only)
    {
        m_only = only;
        invalidateFilter();
    }

protected:
    bool filterAcceptsRow(int row, const QModelIndex& parent) const override
    {
        return !m_only || sourceModel()->index(row, 0, parent).data(PlanModel::RemarkableRole).toBool();
    }

    bool lessThan(const QModelIndex& left, const QModelIndex& right) const override
    {
        return m_plan->isLess(left.row(), right.row(), left.column());
    }

private:
    PlanModel* m_plan;
    bool m_only = false;
};

ExportDialog::ExportDialog(std::shared_ptr<const Model> model, const ExportOptions& settings, const QString& folder,
                           QWidget* parent)
    : QDialog(parent), m_model(std::move(model)), m_settings(settings), m_folder(folder), m_format(new QComboBox(this)), m_path(new QLineEdit(this)), m_shard(new QDoubleSpinBox(this)),
      m_gptqV2(new QCheckBox(tr("Zero points as they are (GPTQ version 2)"), this)),
      m_replace(new QCheckBox(tr("Replace what is there"), this)),
      m_refuse(new QCheckBox(tr("Refuse fallbacks: write only what was asked for"), this)), m_summary(new QLabel(this)),
      m_estimate(new QLabel(this)), m_plan(new PlanModel(this)), m_filter(new RemarkFilter(m_plan, this)),
      m_table(new NumbersTable(this)), m_remarks(new QCheckBox(this)), m_warnings(new QPlainTextEdit(this)),
      m_problem(new QLabel(this))
{
    setWindowTitle(tr("Export checkpoint"));
    buildTable();
    m_summary->setWordWrap(true);
    m_warnings->setReadOnly(true);
    m_warnings->setMaximumHeight(5 * fontMetrics().lineSpacing());
    m_warnings->setAccessibleName(tr("Warnings about the whole file"));
    m_problem->setWordWrap(true);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Cancel, this);
    m_write = buttons->addButton(tr("Write"), QDialogButtonBox::AcceptRole);
    auto* end = new QHBoxLayout;
    end->addWidget(m_problem, 1);
    end->addWidget(buttons);
    auto* layout = new QVBoxLayout(this);
    layout->setSpacing(theme::kSpacing);
    layout->addLayout(buildForm());
    layout->addWidget(m_summary);
    layout->addWidget(m_estimate);
    layout->addWidget(m_remarks);
    layout->addWidget(m_table, 1);
    layout->addWidget(m_warnings);
    layout->addLayout(end);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    connectInputs();
    resize(1000, 640);
    QMetaObject::invokeMethod(this, &ExportDialog::formatChanged, Qt::QueuedConnection); // when someone listens
}

QFormLayout* ExportDialog::buildForm()
{
    for (const ExportFormat format : kExportFormats)
        m_format->addItem(tr(textOf(format).text), int(format));
    m_format->setCurrentIndex(std::max(0, m_format->findData(int(m_settings.format))));
    const QFileInfo source(QString::fromStdString(m_model->path()));
    const QString stem = source.isDir() ? source.fileName() : source.completeBaseName();
    m_path->setText(m_folder + QStringLiteral("/%1-quantized").arg(stem));
    m_shard->setRange(0.05, 1000);
    m_shard->setDecimals(2);
    m_shard->setSuffix(tr(" GB"));
    m_shard->setValue(double(m_settings.shardBytes) / kBytesPerGigabyte);
    m_shard->setToolTip(tr("Most tensor data in one file of the folder (1 GB = 1e9 bytes); a larger tensor has its own file"));
    m_gptqV2->setChecked(m_settings.gptqV2);
    m_gptqV2->setToolTip(tr("Version 1 stores zero points less one, as older readers expect"));
    auto* browse = new QToolButton(this);
    browse->setText(tr("Choose…"));
    connect(browse, &QToolButton::clicked, this, &ExportDialog::chooseTarget);
    auto* place = new QHBoxLayout;
    place->addWidget(m_path, 1);
    place->addWidget(browse);
    auto* folder = new QHBoxLayout;
    folder->addWidget(m_shard);
    folder->addSpacing(theme::kSpacing);
    folder->addWidget(m_gptqV2);
    folder->addStretch();
    auto* switches = new QHBoxLayout;
    switches->addWidget(m_refuse);
    switches->addSpacing(theme::kSpacing);
    switches->addWidget(m_replace);
    switches->addStretch();
    m_form = new QFormLayout;
    m_form->setSpacing(theme::kSpacing);
    m_form->addRow(tr("Format"), m_format);
    m_form->addRow(tr("Target"), place);
    m_form->addRow(tr("Shards of"), folder);
    m_form->addRow(QString(), switches);
    return m_form;
}

void ExportDialog::buildTable()
{
    m_table->setAccessibleName(tr("What becomes of every tensor"));
    m_table->setModel(m_filter);
    m_table->setWidths({40, 13, 9, 9, 7, 30}, PlanModel::RemarksColumn);
    m_table->setTextElideMode(Qt::ElideRight);
    m_table->setSortingEnabled(true);
    m_table->horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder);
    m_table->setEmptyText(tr("No fallbacks and no warnings."));
}

void ExportDialog::connectInputs()
{
    connect(m_format, &QComboBox::currentIndexChanged, this, &ExportDialog::formatChanged);
    connect(m_path, &QLineEdit::textChanged, this, &ExportDialog::refresh);
    connect(m_shard, &QDoubleSpinBox::valueChanged, this, &ExportDialog::refresh);
    for (QCheckBox* box : {m_gptqV2, m_replace, m_refuse})
        connect(box, &QCheckBox::toggled, this, &ExportDialog::refresh);
    connect(m_remarks, &QCheckBox::toggled, this, [this](bool only) { m_filter->setOnlyRemarkable(only); });
}

QString ExportDialog::path() const
{
    return m_path->text();
}

ExportOptions ExportDialog::options() const
{
    ExportOptions options = m_settings;
    options.format = ExportFormat(m_format->currentData().toInt());
    options.shardBytes = uint64_t(m_shard->value() * kBytesPerGigabyte);
    options.gptqV2 = m_gptqV2->isChecked();
    options.replace = m_replace->isChecked();
    return options;
}

bool ExportDialog::refusesFallbacks() const
{
    return m_refuse->isChecked();
}

void ExportDialog::chooseTarget()
{
    const FormatText& text = textOf(options().format);
    const QString suffix = QString::fromLatin1(text.suffix);
    const QString chosen = QFileDialog::getSaveFileName(
        this, tr("Export to"), m_path->text(),
        suffix.isEmpty() ? tr("Folders (*)") : tr("Checkpoints (*%1)").arg(suffix), nullptr,
        QFileDialog::DontConfirmOverwrite); // the sheet says so, and asks where a folder would be lost
    if (!chosen.isEmpty())
        m_path->setText(chosen);
}

void ExportDialog::formatChanged()
{
    const FormatText& text = textOf(options().format);
    const bool folder = !*text.suffix;
    m_form->setRowVisible(kShardRow, folder);
    m_gptqV2->setVisible(exportFormatName(options().format) == "gptq");
    const QString path = withoutSuffix(m_path->text()) + QString::fromLatin1(text.suffix);
    if (path == m_path->text())
        refresh();
    else
        m_path->setText(path);
}

void ExportDialog::setPlan(const ExportOptions& options, const Plan& plan)
{
    m_plans.insert_or_assign(Key{options.format, options.shardBytes, options.gptqV2}, plan);
    refresh();
}

/// Shows the plan of the options, or asks for it.
void ExportDialog::refresh()
{
    const ExportOptions wanted = options();
    const Key key{wanted.format, wanted.shardBytes, wanted.gptqV2};
    const auto known = m_plans.find(key);
    if (known == m_plans.end()) {
        showWaiting();
        if (m_asked != key) {
            m_asked = key;
            Q_EMIT planWanted(wanted);
        }
        return;
    }
    const Plan& plan = known->second;
    const bool other = m_shown != key;
    m_shown = key;
    m_asked.reset();
    if (!plan.ok()) {
        m_plan->setEntries({});
        m_summary->setText(tr("This cannot be written:"));
        m_estimate->setText({});
        m_warnings->hide();
        m_remarks->hide();
        m_replace->hide();
        refuse(QString::fromStdString(plan.error().text()));
        return;
    }
    if (other) {
        m_plan->setEntries({*plan, &(*plan)->entries});
        setEstimate(std::nullopt, {}, tr("Estimating the time…"));
        Q_EMIT estimateWanted(*plan);
    }
    showPlan(**plan);
    showTarget(**plan);
}

/// The table of the plan before stays, so that nothing jumps.
void ExportDialog::showWaiting()
{
    m_shown.reset();
    m_summary->setText(tr("Planning what becomes of %1…")
                           .arg(counted(qsizetype(m_model->tensors().size()), tr("1 tensor"), tr("%1 tensors"))));
    m_estimate->setText({});
    refuse(tr("The plan is still being made."));
}

void ExportDialog::showPlan(const ExportPlan& plan)
{
    m_remarks->setVisible(m_plan->remarkable() > 0);
    m_remarks->setText(tr("Only tensors with remarks (%1)").arg(m_plan->remarkable()));
    if (m_plan->remarkable() == 0)
        m_remarks->setChecked(false);
    QStringList lines;
    for (const std::string& warning : plan.warnings)
        lines << QString::fromStdString(warning);
    m_warnings->setPlainText(lines.join(QLatin1Char('\n')));
    m_warnings->setVisible(!lines.isEmpty());
}

void ExportDialog::showTarget(const ExportPlan& plan)
{
    const auto available = freeBytesAt(m_path->text().toStdString());
    const QString room = available ? tr("%1 free there").arg(QString::fromStdString(formatBytes(*available))) : tr("free space unknown");
    m_summary->setText(tr("Writes %1 (%2). Packed by its schemes the model takes %3, %4 bits per weight.")
                           .arg(QString::fromStdString(formatBytes(plan.fileBytes)), room,
                                QString::fromStdString(formatBytes(plan.quantizedBytes)),
                                QString::fromStdString(formatSignificant(plan.bitsPerWeight))));
    const QFileInfo target(m_path->text());
    const bool occupied = target.exists() && !(target.isDir() && QDir(target.filePath()).isEmpty());
    m_replace->setVisible(occupied);
    const int fallbacks = m_plan->fallbacks();
    if (m_path->text().isEmpty())
        refuse(tr("Say where to write."));
    else if (available && *available <= plan.fileBytes)
        refuse(tr("There is not enough room at the target."));
    else if (occupied && target.isDir() && !plan.folder)
        refuse(tr("%1 is a folder.").arg(target.fileName()));
    else if (occupied && !m_replace->isChecked())
        refuse(tr("%1 exists; it can be replaced.").arg(target.fileName()));
    else if (m_refuse->isChecked() && fallbacks > 0)
        refuse(counted(fallbacks, tr("1 tensor would not be as asked."), tr("%1 tensors would not be as asked.")));
    else
        refuse({});
}

void ExportDialog::refuse(const QString& why)
{
    m_problem->setText(why);
    m_write->setEnabled(why.isEmpty());
    m_write->setToolTip(why);
}

void ExportDialog::setEstimate(std::optional<double> seconds, const QString& device, const QString& why)
{
    const QString time = seconds && *seconds < 1 ? tr("Less than a second")
                         : seconds              ? tr("About %1").arg(QString::fromStdString(formatDuration(*seconds)))
                                                : QString();
    m_estimate->setText(seconds ? tr("%1 of work on %2, estimated from a sample; a slow disk adds to it.").arg(time, device)
                                : why);
}

} // namespace ql
