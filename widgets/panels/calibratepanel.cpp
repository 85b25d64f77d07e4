// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/calibratepanel.h"

#include "core/base/format.h"
#include "widgets/models/coretext.h"
#include "widgets/panels/sequenceform.h"
#include "widgets/theme.h"

#include <QCheckBox>
#include <QDateTime>
#include <QFormLayout>
#include <QGridLayout>
#include <QLabel>
#include <QLocale>
#include <QPushButton>
#include <QVBoxLayout>

#include <algorithm>

namespace ql {
namespace {

/// "2026-11-21T04:16:08Z" as people here read it; what is no date stays as it is.
QString localTime(const QString& iso)
{
    const QDateTime made = QDateTime::fromString(iso, Qt::ISODate);
    return made.isValid() ? QLocale().toString(made.toLocalTime(), QLocale::ShortFormat) : iso;
}

QString count(uint64_t value)
{
    return fromStd(formatCount(value));
}

} // namespace

struct CalibratePanel::Private {
    CalibratePanel* q;
    SequenceForm* form;
    QCheckBox* keep;
    QPushButton *run, *load, *save, *saveMatrix, *discard;
    QLabel *why, *state;
    QFormLayout* facts;
    bool open = false, running = false;
    QString cannotRun;
    std::shared_ptr<const Calibration> calibration;

    void build();
    QPushButton* button(const QString& text, const QString& tip);
    QLabel* heading(const QString& text);
    void addFact(const QString& name, const QString& value, const QString& tip);
    void showState();
    void showFacts();
    void update();
};

QPushButton* CalibratePanel::Private::button(const QString& text, const QString& tip)
{
    auto* made = new QPushButton(text, q);
    made->setToolTip(tip);
    return made;
}

QLabel* CalibratePanel::Private::heading(const QString& text)
{
    auto* label = new QLabel(text, q);
    QFont font = label->font();
    font.setWeight(QFont::DemiBold);
    label->setFont(font);
    return label;
}

void CalibratePanel::Private::build()
{
    form = new SequenceForm(q);
    keep = new QCheckBox(tr("Keep what is done when cancelled"), q);
    keep->setToolTip(tr("The layers that were finished stay as a partial calibration"));
    keep->setChecked(true);
    run = button(tr("Calibrate"), tr("Runs the model over the text and keeps, for every layer, what enters it"));
    why = new QLabel(q);
    why->setWordWrap(true);
    why->setTextInteractionFlags(Qt::TextSelectableByMouse);
    state = new QLabel(q);
    state->setWordWrap(true);
    facts = new QFormLayout;
    facts->setHorizontalSpacing(theme::kSpacing);
    facts->setVerticalSpacing(theme::kSpacing / 2);
    facts->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
    load = button(tr("Import…"), tr("A saved calibration (.safetensors), an importance matrix of llama.cpp (.gguf, .dat), or "
                                    "dumps of activations (.safetensors, .npy, .npz)"));
    save = button(tr("Save…"), tr("As a safetensors file that opens again at once"));
    saveMatrix = button(tr("Save as imatrix…"), tr("As a GGUF importance matrix for llama-quantize"));
    discard = button(tr("Discard"), tr("Forget the calibration"));
    auto* column = new QVBoxLayout(q);
    column->setContentsMargins(theme::kSpacing, theme::kSpacing, theme::kSpacing, theme::kSpacing);
    column->setSpacing(theme::kSpacing);
    column->addWidget(form);
    column->addWidget(keep);
    column->addWidget(run);
    column->addWidget(why);
    column->addSpacing(theme::kSpacing);
    column->addWidget(heading(tr("The calibration")));
    column->addWidget(state);
    column->addLayout(facts);
    auto* grid = new QGridLayout;
    grid->setSpacing(theme::kSpacing / 2);
    grid->addWidget(load, 0, 0);
    grid->addWidget(save, 0, 1);
    grid->addWidget(saveMatrix, 1, 0);
    grid->addWidget(discard, 1, 1);
    column->addLayout(grid);
    column->addStretch(1);
    connect(run, &QPushButton::clicked, q, [this] {
        if (running)
            Q_EMIT q->cancelRequested();
        else
            Q_EMIT q->calibrateRequested(form->settings(), keep->isChecked());
    });
    connect(load, &QPushButton::clicked, q, &CalibratePanel::importRequested);
    connect(save, &QPushButton::clicked, q, &CalibratePanel::saveRequested);
    connect(saveMatrix, &QPushButton::clicked, q, &CalibratePanel::saveMatrixRequested);
    connect(discard, &QPushButton::clicked, q, &CalibratePanel::discardRequested);
}

void CalibratePanel::Private::addFact(const QString& name, const QString& value, const QString& tip)
{
    auto* label = new QLabel(name, q);
    label->setForegroundRole(QPalette::PlaceholderText);
    auto* text = new QLabel(value, q);
    text->setWordWrap(true);
    QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::MinimumExpanding);
    policy.setHeightForWidth(true); // all of it shows, on as many lines as the dock makes it
    text->setSizePolicy(policy);
    text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    text->setAccessibleName(name);
    for (QLabel* part : {label, text})
        part->setToolTip(tip);
    facts->addRow(label, text);
}

void CalibratePanel::Private::showState()
{
    state->setText(!open          ? tr("Open a model first.")
                   : !calibration ? tr("Nothing yet. A calibration shows what enters each layer: activation histograms, errors "
                                       "at the outputs, and clipping by them.")
                                  : QString());
    state->setVisible(!state->text().isEmpty());
}

void CalibratePanel::Private::showFacts()
{
    while (facts->rowCount() > 0)
        facts->removeRow(0);
    if (!calibration)
        return;
    const CalibrationSource& source = calibration->source();
    bool histograms = false, samples = false, grams = false;
    int64_t rows = 0;
    for (const InputStatistics& input : calibration->inputs()) {
        histograms = histograms || input.hasDistribution();
        samples = samples || input.hasSample();
        grams = grams || input.hasGram();
        rows = std::max(rows, input.sample.rows());
    }
    const QString partial = source.partial ? tr(" (partial: it was cancelled)") : QString();
    addFact(tr("Source"), fromStd(source.kind) + partial, tr("How it came to be"));
    if (!source.text.empty())
        addFact(tr("Text"), fromStd(source.text), tr("File or data set, with the start of its SHA-256 where known"));
    addFact(tr("Tokens"), source.sequences > 0 ? tr("%1 in %2 sequences").arg(count(source.tokens)).arg(source.sequences)
                                               : count(source.tokens),
            tr("How many rows entered every layer"));
    addFact(tr("Inputs"), QString::number(calibration->inputs().size()),
            tr("Linear inputs that are known; layers that share one count once"));
    QStringList known{tr("second moments")};
    if (histograms)
        known << tr("histograms");
    if (samples)
        known << tr("up to %1 rows each").arg(rows);
    if (grams)
        known << tr("Gram matrices");
    addFact(tr("Holds"), known.join(tr(", ")),
            tr("Histograms show distributions, rows and Gram matrices (XᵀX) give errors at the outputs; second moments alone "
               "weight the error of each input channel"));
    if (!source.created.empty())
        addFact(tr("Made"), localTime(fromStd(source.created)), fromStd(source.program));
}

void CalibratePanel::Private::update()
{
    run->setText(running ? tr("Cancel") : tr("Calibrate"));
    run->setEnabled(open && (running || cannotRun.isEmpty()));
    form->setEnabled(open && !running && cannotRun.isEmpty());
    keep->setEnabled(open && cannotRun.isEmpty());
    why->setText(cannotRun);
    why->setVisible(open && !cannotRun.isEmpty());
    load->setEnabled(open && !running);
    for (QPushButton* needs : {save, saveMatrix, discard})
        needs->setEnabled(calibration != nullptr && !running);
    showState();
}

CalibratePanel::CalibratePanel(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->build();
    d->update();
}

CalibratePanel::~CalibratePanel() = default;

void CalibratePanel::setModel(bool open, const QString& cannotRun)
{
    d->open = open;
    d->cannotRun = cannotRun;
    d->update();
}

void CalibratePanel::setDefaults(const SequenceSettings& defaults, int64_t context)
{
    d->form->setDefaults(defaults, context);
}

void CalibratePanel::setCalibration(const std::shared_ptr<const Calibration>& calibration)
{
    d->calibration = calibration;
    d->showFacts();
    d->update();
}

void CalibratePanel::setRunning(bool running)
{
    d->running = running;
    d->update();
}

bool CalibratePanel::keepPartial() const
{
    return d->keep->isChecked();
}

SequenceSettings CalibratePanel::sequences() const
{
    return d->form->settings();
}

} // namespace ql
