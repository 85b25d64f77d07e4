// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/evaluatepage.h"

#include "core/base/format.h"
#include "widgets/models/numbertext.h"
#include "widgets/panels/evaluationfigures.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/panels/sequenceform.h"
#include "widgets/plots/barsplot.h"
#include "widgets/plots/seriesplot.h"
#include "widgets/theme.h"

#include <QCoreApplication>
#include <QEvent>
#include <QGridLayout>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace ql {
namespace {

enum Plot { DivergencePlot, LayersPlot, LossPlot };

QString figureText(const char* text)
{
    return QCoreApplication::translate("Evaluation", text);
}

} // namespace

struct EvaluatePage::Private {
    EvaluatePage* q;
    SequenceForm* form = new SequenceForm;
    QPushButton *evaluate = nullptr, *attribute = nullptr, *cancel = nullptr;
    QLabel *state = nullptr, *notes = nullptr, *selfCheck = nullptr;
    std::vector<QLabel*> values;
    SegmentedChoice* choice = nullptr;
    QStackedWidget* plots = nullptr;
    SeriesPlot* loss = new SeriesPlot;
    BarsPlot* divergence = new BarsPlot(Qt::Vertical);
    BarsPlot* layers = new BarsPlot(Qt::Horizontal);
    QToolButton *sorted = nullptr, *plotMenu = nullptr;
    bool open = false, evaluating = false, attributing = false, stale = false, attributionStale = false;
    QString cannotRun, caption;
    int current = -1;
    Shared<Evaluation> evaluation;
    Shared<Attribution> attribution;

    QLayout* buildForm();
    QLayout* buildFigures();
    QLayout* buildPlots();
    void update();
    void showFigures();
    void showCurves();
    void showLayers();
    void showPlot(int index);
    void outline();
};

QLayout* EvaluatePage::Private::buildForm()
{
    evaluate = new QPushButton(tr("Evaluate"));
    evaluate->setToolTip(tr("Runs the model as it is and under the policy side by side over the text"));
    attribute = new QPushButton(tr("Attribute"));
    attribute->setToolTip(tr("Quantizes one weight at a time in an otherwise original model: whose error reaches the output? "
                             "Takes about as long as half an evaluation for every layer"));
    cancel = new QPushButton(tr("Cancel"));
    connect(evaluate, &QPushButton::clicked, q, [this] { Q_EMIT q->evaluateRequested(form->settings()); });
    connect(attribute, &QPushButton::clicked, q, [this] { Q_EMIT q->attributionRequested(form->settings()); });
    connect(cancel, &QPushButton::clicked, q, &EvaluatePage::cancelRequested);
    auto* buttons = new QVBoxLayout;
    buttons->setSpacing(theme::kSpacing / 2);
    buttons->addWidget(evaluate);
    buttons->addWidget(attribute);
    buttons->addWidget(cancel);
    buttons->addStretch();
    auto* row = new QHBoxLayout;
    row->setContentsMargins(theme::kSpacing, theme::kSpacing, theme::kSpacing, 0);
    row->setSpacing(2 * theme::kSpacing);
    form->setMaximumWidth(80 * form->fontMetrics().averageCharWidth()); // fields for small numbers stay small
    row->addWidget(form, 1);
    row->addStretch();
    row->addLayout(buttons);
    return row;
}

QLayout* EvaluatePage::Private::buildFigures()
{
    auto* grid = new QGridLayout;
    grid->setContentsMargins(theme::kSpacing, theme::kSpacing, theme::kSpacing, 0);
    grid->setHorizontalSpacing(theme::kSpacing);
    grid->setVerticalSpacing(theme::kSpacing / 2);
    state = new QLabel;
    state->setWordWrap(true);
    state->setAccessibleName(tr("State of the evaluation"));
    state->setAlignment(Qt::AlignLeft | Qt::AlignBottom);
    state->setMinimumHeight(2 * state->fontMetrics().lineSpacing()); // nothing below jumps with its texts
    grid->addWidget(state, 0, 0, 1, 6);
    const auto figures = evaluationFigures();
    const int rows = int(figures.size() + 1) / 2;
    for (int i = 0; i < int(figures.size()); ++i) {
        const EvaluationFigure& figure = figures[size_t(i)];
        auto* name = new QLabel(figureText(figure.name));
        auto* value = new QLabel;
        value->setFont(theme::numberFont());
        value->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
        value->setTextInteractionFlags(Qt::TextSelectableByMouse);
        value->setAccessibleName(name->text());
        for (QLabel* label : {name, value})
            label->setToolTip(QStringLiteral("<b>%1</b><br>%2").arg(name->text().toHtmlEscaped(),
                                                                    figureText(figure.meaning).toHtmlEscaped()));
        grid->addWidget(name, 1 + i % rows, i < rows ? 0 : 3);
        grid->addWidget(value, 1 + i % rows, i < rows ? 1 : 4);
        values.push_back(value);
    }
    const int wide = QFontMetrics(theme::numberFont()).horizontalAdvance(QStringLiteral("0.0000 ± 0.00000"));
    for (const int column : {1, 4})
        grid->setColumnMinimumWidth(column, wide);
    grid->setColumnMinimumWidth(2, 2 * theme::kSpacing);
    grid->setColumnStretch(5, 1); // figures stay beside their names in a wide window
    notes = new QLabel;
    selfCheck = new QLabel;
    for (QLabel* label : {notes, selfCheck}) {
        label->setFont(theme::smallFont());
        label->setWordWrap(true);
        label->setForegroundRole(QPalette::PlaceholderText);
        label->hide();
    }
    notes->setToolTip(tr("Where what ran is not quite what the policy asks for"));
    grid->addWidget(notes, rows + 2, 0, 1, 6);
    selfCheck->setToolTip(tr("A weight was replaced by itself and everything after it run again: the divergence must be exactly 0"));
    grid->addWidget(selfCheck, rows + 1, 0, 1, 6);
    return grid;
}

QLayout* EvaluatePage::Private::buildPlots()
{
    choice = new SegmentedChoice({tr("KL by position"), tr("KL by layer"), tr("Loss")});
    choice->setRoomy();
    choice->setAccessibleName(tr("Plot of the evaluation"));
    choice->setOptionToolTip(LossPlot, tr("Mean loss of the next token at every position of the context, original and policy, with one standard error"));
    choice->setOptionToolTip(DivergencePlot, tr("Mean KL divergence at every position of the context"));
    choice->setOptionToolTip(LayersPlot, tr("KL divergence when this weight alone is quantized; click to select it"));
    sorted = new QToolButton;
    sorted->setText(tr("Sort"));
    sorted->setToolTip(tr("Largest first instead of network order"));
    sorted->setCheckable(true);
    sorted->setFocusPolicy(Qt::StrongFocus);
    plotMenu = new QToolButton;
    plotMenu->setIcon(theme::icon("export"));
    plotMenu->setToolTip(tr("Copy or save this plot"));
    plotMenu->setAccessibleName(plotMenu->toolTip());
    plotMenu->setPopupMode(QToolButton::InstantPopup);
    plotMenu->setFocusPolicy(Qt::StrongFocus);
    plotMenu->setMenu(new QMenu(plotMenu));
    plots = new QStackedWidget;
    loss->setAxes(tr("Position in the context (tokens)"), tr("Loss (nats per token)"));
    layers->setInk(Ink::Error);
    divergence->setInk(Ink::Error);
    loss->setAccessibleName(tr("Loss by position"));
    divergence->setAccessibleName(tr("KL divergence by position"));
    layers->setAccessibleName(tr("KL divergence by layer"));
    for (PlotView* plot : {static_cast<PlotView*>(divergence), static_cast<PlotView*>(layers), static_cast<PlotView*>(loss)})
        plots->addWidget(plot);
    connect(choice, &SegmentedChoice::chosen, q, [this](int index) { showPlot(index); });
    connect(sorted, &QToolButton::toggled, layers, &BarsPlot::setSorted);
    connect(layers, &BarsPlot::picked, q, [this](qint64 bar) {
        if (attribution && bar >= 0 && bar < qint64(attribution->entries.size()))
            Q_EMIT q->tensorPicked(attribution->entries[size_t(bar)].tensor);
    });
    auto* row = new QHBoxLayout;
    row->setContentsMargins(theme::kSpacing, 4, theme::kSpacing, 4);
    row->setSpacing(theme::kSpacing);
    row->addWidget(choice);
    row->addStretch();
    row->addWidget(sorted);
    row->addWidget(plotMenu);
    auto* column = new QVBoxLayout;
    column->setSpacing(0);
    column->addLayout(row);
    column->addWidget(plots, 1);
    return column;
}

void EvaluatePage::Private::showPlot(int index)
{
    choice->setCurrent(index);
    plots->setCurrentIndex(index);
    sorted->setVisible(index == LayersPlot);
    plotMenu->menu()->clear();
    plotMenu->menu()->addActions(plots->currentWidget()->actions());
}

void EvaluatePage::Private::showFigures()
{
    for (size_t i = 0; i < values.size(); ++i) {
        values[i]->setText(evaluation ? evaluationFigures()[i].text(*evaluation) : kNothingText);
        QPalette palette = q->palette();
        if (!evaluation || stale)
            palette.setColor(QPalette::WindowText, theme::color(Ink::Muted));
        values[i]->setPalette(palette);
    }
    const QString where = evaluation ? tr("On %1").arg(QString::fromStdString(evaluation->text)) : QString();
    state->setText(!open                  ? tr("Open a model first.")
                   : !cannotRun.isEmpty() ? cannotRun
                   : evaluating           ? tr("Evaluating… the figures appear when the text is through.")
                   : !evaluation ? tr("Compares the model under the policy with the model as it is: perplexity, divergence, and "
                                      "where in the context they grow.")
                   : stale       ? where + tr(" · of an earlier policy: evaluate again")
                                 : where);
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, theme::color(stale && evaluation && !evaluating ? Ink::Preview : Ink::Muted));
    state->setPalette(palette);
    selfCheck->setText(!attribution ? QString()
                                    : tr("Attribution of the weights alone, over %1 tokens; self-check: a weight replaced by itself diverges by %2 "
                                         "nats.%3")
                                          .arg(QString::fromStdString(formatCount(attribution->tokens)),
                                               numberText(attribution->selfCheck),
                                               attributionStale ? tr(" Some schemes have changed since.") : QString()));
    selfCheck->setVisible(attribution != nullptr);
    QStringList lines;
    for (const std::string& note : evaluation ? evaluation->notes : std::vector<std::string>())
        lines << QString::fromStdString(note);
    notes->setText(lines.join(QLatin1Char('\n')));
    notes->setVisible(!lines.isEmpty());
}

void EvaluatePage::Private::update()
{
    const bool can = open && cannotRun.isEmpty();
    form->setEnabled(can && !evaluating && !attributing);
    for (QPushButton* button : {evaluate, attribute})
        button->setEnabled(can && !evaluating && !attributing);
    cancel->setEnabled(evaluating || attributing);
    loss->setEmptyText(evaluating ? tr("Evaluating…") : tr("The loss at every position of the context appears here."));
    divergence->setEmptyText(evaluating ? tr("Evaluating…") : tr("The divergence at every position of the context appears here."));
    layers->setEmptyText(attributing ? tr("Quantizing one layer at a time…")
                                     : tr("“Attribute” shows here how far the predictions move when one layer alone is quantized."));
    showFigures();
}

void EvaluatePage::Private::showCurves()
{
    std::vector<Series> losses(2);
    losses[0].name = tr("original");
    losses[1].name = tr("policy");
    Bars bars;
    bars.item = tr("Position in the context (tokens)");
    bars.measure = tr("KL divergence");
    bars.unit = tr("nats per token");
    for (const Evaluation::Position& bucket : evaluation ? evaluation->positions : std::vector<Evaluation::Position>()) {
        for (const auto& [series, estimate] : {std::pair(&losses[0], bucket.originalLoss), std::pair(&losses[1], bucket.loss)}) {
            const size_t length = size_t(std::max<int64_t>(0, bucket.last)) + 1;
            series->values.resize(length, estimate.value);
            series->errors.resize(length, estimate.standardError);
        }
        bars.values.push_back(bucket.kl.value);
        bars.errors.push_back(bucket.kl.standardError);
        bars.names << QStringLiteral("%1–%2").arg(bucket.first + 1).arg(bucket.last + 1);
        bars.notes << tr("loss %1, original %2 nats; same top token %3 %")
                          .arg(numberText(bucket.loss.value), numberText(bucket.originalLoss.value),
                               numberText(100 * bucket.agreement.value));
    }
    loss->setSeries(evaluation ? losses : std::vector<Series>());
    divergence->setBars(std::move(bars));
}

/// What all names share is left out: "0.self_attn.q_proj".
void EvaluatePage::Private::showLayers()
{
    Bars bars;
    bars.item = tr("Weight");
    bars.measure = tr("KL divergence");
    bars.unit = tr("nats per token");
    for (const Attribution::Entry& entry : attribution ? attribution->entries : std::vector<Attribution::Entry>()) {
        bars.values.push_back(entry.kl.value);
        bars.errors.push_back(entry.kl.standardError);
        bars.names << shortTensorName(QString::fromStdString(entry.name));
        bars.notes << QString::fromStdString(entry.scheme.text());
    }
    layers->setBars(std::move(bars));
    outline();
}

void EvaluatePage::Private::outline()
{
    qint64 bar = -1;
    for (size_t i = 0; attribution && i < attribution->entries.size(); ++i) {
        if (attribution->entries[i].tensor == current)
            bar = qint64(i);
    }
    layers->setPicked(bar);
}

EvaluatePage::EvaluatePage(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(theme::kSpacing / 2);
    column->addLayout(d->buildForm());
    column->addLayout(d->buildFigures());
    column->addLayout(d->buildPlots(), 1);
    d->showCurves();
    d->showLayers();
    d->showPlot(DivergencePlot);
    d->update();
}

EvaluatePage::~EvaluatePage() = default;

void EvaluatePage::setModel(bool open, const QString& cannotRun)
{
    d->open = open;
    d->cannotRun = cannotRun;
    d->update();
}

void EvaluatePage::setDefaults(const SequenceSettings& defaults, int64_t context)
{
    d->form->setDefaults(defaults, context);
}

void EvaluatePage::setRunning(bool evaluating, bool attributing)
{
    d->evaluating = evaluating;
    d->attributing = attributing;
    d->update();
}

void EvaluatePage::setEvaluation(const Shared<Evaluation>& evaluation)
{
    d->evaluation = evaluation;
    d->stale = false;
    d->showCurves();
    d->update();
}

void EvaluatePage::setAttribution(const Shared<Attribution>& attribution)
{
    d->attribution = attribution;
    d->attributionStale = false;
    d->showLayers();
    d->update();
}

void EvaluatePage::setStale(bool evaluation, bool attribution)
{
    d->stale = evaluation;
    d->attributionStale = attribution;
    d->showFigures();
}

void EvaluatePage::setCaption(const QString& caption)
{
    d->caption = caption;
    for (PlotView* plot : {static_cast<PlotView*>(d->loss), static_cast<PlotView*>(d->divergence),
                           static_cast<PlotView*>(d->layers)})
        plot->setCaption(caption);
}

void EvaluatePage::setCurrentTensor(int tensor)
{
    d->current = tensor;
    d->outline();
}

SequenceSettings EvaluatePage::sequences() const
{
    return d->form->settings();
}

void EvaluatePage::showAttribution()
{
    d->showPlot(LayersPlot);
}

void EvaluatePage::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange && d->state)
        d->showFigures();
    QWidget::changeEvent(event);
}

} // namespace ql
