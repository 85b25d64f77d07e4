// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/activationsecond.h"

#include "core/quant/schemetable.h"
#include "widgets/models/rangemarksmodel.h"
#include "widgets/models/rangename.h"
#include "widgets/panels/activationspage.h"
#include "widgets/panels/plotbar.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/panels/numberstable.h"
#include "widgets/plots/barsplot.h"
#include "widgets/plots/errorplot.h"
#include "widgets/plots/occupancyplot.h"
#include "widgets/plots/rangesplot.h"
#include "widgets/theme.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QMenu>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kOutlierFactor = 6; ///< as ActivationStudy::outlierChannels

} // namespace

struct ActivationSecond::Private {
    ActivationSecond* q;
    Shared<ActivationStudy> study;
    std::optional<ActivationScheme> scheme;

    SegmentedChoice* choice;
    QComboBox* measure;
    QToolButton *sorted, *logarithmic, *menu;
    QStackedWidget* stack;
    RangeMarksModel* marks = nullptr;
    NumbersTable* table = nullptr;
    BarsPlot* channels = new BarsPlot;
    RangesPlot* tokens = new RangesPlot;
    ErrorPlot* error = new ErrorPlot;
    OccupancyPlot* occupancy = new OccupancyPlot;

    QList<PlotView*> views() const { return {channels, tokens, error, occupancy}; }
    void build();
    void buildTable();
    void connectAll();
    void showPlot();
    void showChannels();
    void showTokens();
    void explain();
    void adopt(int row);
};

void ActivationSecond::Private::build()
{
    choice = new SegmentedChoice({tr("Ranges"), tr("Channels"), tr("Tokens"), tr("Error"), tr("Occupancy")});
    choice->setAccessibleName(tr("Second plot"));
    const QStringList tips{tr("Where each calibration method would put the limits of all tokens, and what that costs"),
                           tr("Absolute maximum of every input channel: the outlier picture"),
                           tr("Lowest and highest value of every token, in the order of the sequences"),
                           tr("Histogram of reconstructed minus original value"),
                           tr("Share of the values that every code stores, and the entropy of the codes")};
    for (int i = 0; i < tips.size(); ++i)
        choice->setOptionToolTip(i, tips[i]);
    measure = new QComboBox;
    measure->addItems({tr("Max |x|"), tr("RMS error")});
    measure->setAccessibleName(tr("Measure of the channels"));
    measure->setToolTip(tr("Max |x|: largest magnitude of the channel.\nRMS error: root of the channel's mean squared "
                           "quantization error."));
    sorted = plotbar::toggle(tr("Sort"), tr("Largest first instead of channel order"));
    logarithmic = plotbar::toggle(tr("Log"), tr("Logarithmic vertical axis: shows the channels under the outliers"));
    menu = plotbar::menu(tr("Copy or save this plot"));
    auto* row = plotbar::row();
    row->addWidget(choice);
    row->addStretch();
    for (QWidget* widget : std::initializer_list<QWidget*>{measure, sorted, logarithmic, menu})
        row->addWidget(widget);
    buildTable();
    stack = new QStackedWidget;
    stack->addWidget(table);
    for (PlotView* view : views())
        stack->addWidget(view);
    channels->setAccessibleName(tr("Input channels"));
    channels->setInk(Ink::Activations);
    tokens->setAccessibleName(tr("Range of every token"));
    for (PlotView* view : std::initializer_list<PlotView*>{error, occupancy})
        view->setPreviewText(tr("from a sample of tokens"));
    auto* layout = new QVBoxLayout(q);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addLayout(row);
    layout->addWidget(stack, 1);
}

void ActivationSecond::Private::buildTable()
{
    marks = new RangeMarksModel(q);
    table = new NumbersTable;
    table->setModel(marks);
    table->setWidths({20, 18, 10, 11}, 0);
    table->setAccessibleName(tr("Calibration methods side by side"));
}

void ActivationSecond::Private::connectAll()
{
    QObject::connect(choice, &SegmentedChoice::chosen, q, [this](int index) { q->setPlot(ActivationPlot(index)); });
    QObject::connect(measure, &QComboBox::currentIndexChanged, q, [this] {
        showChannels();
        channels->resetView();
    });
    QObject::connect(sorted, &QToolButton::toggled, channels, &BarsPlot::setSorted);
    QObject::connect(logarithmic, &QToolButton::toggled, channels, &BarsPlot::setLogarithmic);
    QObject::connect(table, &QAbstractItemView::activated, q, [this](const QModelIndex& index) { adopt(index.row()); });
    for (PlotView* view : views())
        QObject::connect(view, &PlotView::exportFailed, q, &ActivationSecond::exportFailed);
}

void ActivationSecond::Private::adopt(int row)
{
    const RangeMark& mark = marks->marks()[size_t(row)];
    Q_EMIT q->rangeChosen(mark.range, mark.parameter);
}

void ActivationSecond::Private::showPlot()
{
    const int index = choice->current();
    stack->setCurrentIndex(index);
    measure->setVisible(index == int(ActivationPlot::Channels));
    sorted->setVisible(index == int(ActivationPlot::Channels));
    logarithmic->setVisible(index == int(ActivationPlot::Channels));
    menu->menu()->clear();
    menu->menu()->addActions(stack->currentWidget()->actions());
}

void ActivationSecond::Private::showChannels()
{
    Bars bars;
    bars.item = tr("Input channel");
    std::vector<BarsPlot::Reference> references;
    const bool errors = measure->currentIndex() == 1;
    bars.measure = errors ? tr("RMS error") : tr("Absolute maximum");
    if (study && errors) {
        for (const double squared : study->channelError)
            bars.values.push_back(std::sqrt(squared));
    } else if (study) {
        if (study->channelMin.empty())
            bars.measure = tr("Root mean square");
        bars.values.assign(study->channelAbsMax.begin(), study->channelAbsMax.end());
        std::vector<double> finite;
        std::copy_if(bars.values.begin(), bars.values.end(), std::back_inserter(finite), [](double x) { return std::isfinite(x); });
        if (finite.size() > 1) {
            std::nth_element(finite.begin(), finite.begin() + long(finite.size() / 2), finite.end());
            const double limit = kOutlierFactor * finite[finite.size() / 2];
            references.push_back({limit, tr("%1 × median").arg(kOutlierFactor)});
        }
    }
    if (study) {
        bars.marked.assign(study->outlierChannels.begin(), study->outlierChannels.end());
        bars.markedNote = tr("outlier: more than %1 times the median channel").arg(kOutlierFactor);
    }
    channels->setBars(std::move(bars));
    channels->setReferences(std::move(references));
}

void ActivationSecond::Private::showTokens()
{
    Ranges ranges;
    ranges.item = tr("Token");
    ranges.measure = tr("Activation value");
    if (study) {
        ranges.lo = study->tokenMin;
        ranges.hi = study->tokenMax;
    }
    tokens->setRanges(std::move(ranges));
}

void ActivationSecond::Private::explain()
{
    const bool moments = study && !study->distribution;
    const QString unknown = tr("Not known: this source tells second moments only.");
    const QString later = tr("Appears here as soon as the input is studied…");
    const QString off = tr("Full precision: nothing is rounded. Choose a format above to see what it costs.");
    const QString coming = tr("Quantizing: appears here…");
    const bool sampled = !study || study->quantization;
    const QString errorText = !study     ? later
                              : moments  ? unknown
                              : !scheme  ? off
                              : !sampled ? tr("Not known: this source holds no sample of rows to quantize.")
                                         : coming;
    channels->setEmptyText(!study                          ? later
                           : measure->currentIndex() == 1 ? (moments ? unknown : tr("The error of each channel appears here…"))
                                                          : tr("This source tells nothing of single channels."));
    tokens->setEmptyText(!study ? later : moments ? unknown : tr("This source tells nothing of single tokens."));
    error->setEmptyText(errorText);
    occupancy->setEmptyText(errorText);
    table->setEmptyText(!study    ? later
                        : moments ? unknown
                                  : tr("No method can be compared: the values have no histogram, or the format fixes its "
                                       "own range."));
}

ActivationSecond::ActivationSecond(QWidget* parent)
    : QWidget(parent)
    , d(std::make_unique<Private>())
{
    d->q = this;
    d->build();
    d->connectAll();
    d->choice->setCurrent(int(ActivationPlot::Channels));
    d->showPlot();
    setStudy({});
}

ActivationSecond::~ActivationSecond() = default;

void ActivationSecond::setStudy(const Shared<ActivationStudy>& study)
{
    d->study = study;
    std::vector<RangeMark> marks = study ? study->marks : std::vector<RangeMark>();
    for (RangeMark& mark : marks)
        mark.limits = effectiveLimits(mark.limits, study->scheme.symmetry);
    d->marks->setMarks(std::move(marks));
    d->explain();
    d->showChannels();
    d->showTokens();
}

void ActivationSecond::setQuantization(const Shared<Quantization>& quantization)
{
    d->error->setQuantization(quantization);
    d->occupancy->setQuantization(quantization);
}

void ActivationSecond::setScheme(const std::optional<ActivationScheme>& scheme)
{
    d->scheme = scheme;
    d->marks->setScheme(scheme);
    d->explain();
}

void ActivationSecond::setLimits(const std::optional<PlotRange>& limits)
{
    d->tokens->setLimits(limits);
}

void ActivationSecond::setCaption(const QString& caption)
{
    for (PlotView* view : d->views())
        view->setCaption(caption);
}

ActivationPlot ActivationSecond::plot() const
{
    return ActivationPlot(d->choice->current());
}

void ActivationSecond::setPlot(ActivationPlot plot)
{
    d->choice->setCurrent(int(plot));
    d->showPlot();
}

} // namespace ql
