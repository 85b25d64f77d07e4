// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/activationspage.h"

#include "widgets/models/numbertext.h"
#include "widgets/models/rangename.h"
#include "widgets/panels/activationinvitation.h"
#include "widgets/panels/activationsecond.h"
#include "widgets/panels/activationstrip.h"
#include "widgets/panels/distributionbar.h"
#include "widgets/panels/elidedlabel.h"
#include "widgets/panels/inlinebar.h"
#include "widgets/panels/plotbar.h"
#include "widgets/plots/distributionplot.h"
#include "widgets/theme.h"

#include <QDataStream>
#include <QHBoxLayout>
#include <QSplitter>
#include <QStackedWidget>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

using Per = ActivationScheme::Granularity;
using Range = ActivationScheme::Range;

constexpr quint32 kInputsStateVersion = 1;
constexpr double kFullRange = 0.9995; // this near to the full range nothing is clipped

/// What the plot must know of an activation scheme: the grid, and whether both limits move together.
Scheme gridScheme(const ActivationScheme& scheme)
{
    Scheme grid = scheme.groupScheme();
    grid.granularity = scheme.granularity == Per::Tensor  ? Granularity::Tensor
                       : scheme.granularity == Per::Group ? Granularity::Group
                                                                  : Granularity::Channel;
    return grid;
}

bool sameGrid(const ActivationScheme& a, const ActivationScheme& b)
{
    return a.format == b.format && a.symmetry == b.symmetry && a.codes == b.codes;
}

} // namespace

struct ActivationsPage::Private {
    ActivationsPage* page = nullptr;
    QString caption;
    std::optional<ActivationScheme> scheme;
    ActivationScheme last;
    Shared<ActivationStudy> study;
    std::optional<PlotRange> limits; ///< of a static per-tensor range
    CalibrationState state = CalibrationState::NoModel;

    ActivationStrip* strip = new ActivationStrip;
    ElidedLabel* source = new ElidedLabel(Qt::ElideMiddle);
    DistributionPlot* distribution = new DistributionPlot;
    ActivationSecond* second = new ActivationSecond;
    ActivationInvitation* invitation = new ActivationInvitation;
    DistributionBar* bar = nullptr;
    QSplitter* splitter = nullptr;
    QStackedWidget* whole = nullptr;
    InlineBar* notice = nullptr;

    QWidget* makeFirst();
    void connectAll();
    void showSource();
    void showScheme();
    void showGrid();
    void showLimits();
    void showMarks();
    void showObstacle();
    void edited(const std::optional<ActivationScheme>& changed, bool finished);
    void adopt(Range range, double parameter);
    void moveLimits(double lo, double hi, bool finished);
    bool hasHandles() const { return scheme && scheme->granularity == Per::Tensor; }
};

QWidget* ActivationsPage::Private::makeFirst()
{
    auto* panel = new QWidget;
    bar = new DistributionBar(distribution);
    bar->setXTips(tr("Horizontal axis in units of the activation.\nTokens, channels or groups with their own scales have "
                     "their own grids: the one of the median scale is drawn."),
                  tr("Every value divided by its scale.\nHere one grid is exact for every token, channel or group."));
    auto* layout = new QVBoxLayout(panel);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(bar);
    layout->addWidget(distribution, 1);
    return panel;
}

void ActivationsPage::Private::connectAll()
{
    QObject::connect(strip, &ActivationStrip::edited, page,
                     [this](const std::optional<ActivationScheme>& changed, bool finished) { edited(changed, finished); });
    QObject::connect(distribution, &DistributionPlot::limitsMoved, page,
                     [this](double lo, double hi, bool finished) { moveLimits(lo, hi, finished); });
    QObject::connect(distribution, &DistributionPlot::markChosen, page, [this](int index) {
        adopt(study->marks[size_t(index)].range, study->marks[size_t(index)].parameter);
    });
    QObject::connect(second, &ActivationSecond::rangeChosen, page,
                     [this](Range range, double parameter) { adopt(range, parameter); });
    QObject::connect(invitation, &ActivationInvitation::calibrateWanted, page, &ActivationsPage::calibrateWanted);
    QObject::connect(invitation, &ActivationInvitation::importWanted, page, &ActivationsPage::importWanted);
    const auto complain = [this](const QString& message) { notice->showMessage(InlineBar::Level::Error, message); };
    QObject::connect(distribution, &PlotView::exportFailed, notice, complain);
    QObject::connect(second, &ActivationSecond::exportFailed, notice, complain);
}

void ActivationsPage::Private::edited(const std::optional<ActivationScheme>& changed, bool finished)
{
    scheme = changed;
    showScheme();
    Q_EMIT page->schemeEdited(changed, finished);
}

void ActivationsPage::Private::adopt(Range range, double parameter)
{
    ActivationScheme changed = scheme.value_or(last);
    changed.granularity = Per::Tensor; // what the methods were compared for
    changed.range = range;
    changed.rangeParameter = parameter;
    changed.rangeLow = 0;
    edited(changed, true);
}

void ActivationsPage::Private::moveLimits(double lo, double hi, bool finished)
{
    if (!scheme || !study || !study->distribution)
        return;
    ActivationScheme changed = *scheme;
    const TensorStats& stats = study->distribution->stats;
    const bool symmetric = changed.symmetry == Symmetry::Symmetric;
    const bool everything = symmetric ? hi >= kFullRange * stats.absMax()
                                 : hi >= kFullRange * std::max(0.0, stats.max) && lo <= kFullRange * std::min(0.0, stats.min);
    changed.range = everything ? Range::MinMax : Range::Absolute;
    changed.rangeParameter = everything ? 0 : hi;
    changed.rangeLow = everything || symmetric ? 0 : lo;
    edited(changed, finished);
}

void ActivationsPage::Private::showSource()
{
    if (!study) {
        source->setText({});
        return;
    }
    const CalibrationSource& from = study->source;
    QStringList parts;
    for (const std::string& text : {from.modelName, from.text}) {
        if (!text.empty()) // the digest is for the caption of files
            parts << QString::fromStdString(text).section(QStringLiteral(" (SHA-256"), 0, 0);
    }
    parts << tr("%1 tokens").arg(wholeText(study->tokens));
    QString text = parts.join(QStringLiteral(", "));
    if (from.kind != "forward pass")
        text += QStringLiteral(" · ") + QString::fromStdString(from.kind);
    if (from.partial)
        text += QStringLiteral(" · ") + tr("partial: cancelled before the end");
    source->setText(text);
}

void ActivationsPage::Private::showScheme()
{
    if (scheme)
        last = *scheme;
    strip->setScheme(scheme);
    distribution->setScheme(gridScheme(scheme.value_or(last)));
    showGrid();
    showLimits();
    showMarks();
    QStringList parts{caption, scheme ? QString::fromStdString(scheme->text()) : tr("full precision")};
    if (!source->text().isEmpty())
        parts << source->text();
    distribution->setCaption(parts.join(QStringLiteral(" · ")));
    second->setCaption(parts.join(QStringLiteral(" · ")));
    second->setScheme(scheme);
}

/// The grid of an older format or symmetry would lie; another range only stretches it until the new study comes.
void ActivationsPage::Private::showGrid()
{
    const bool fits = scheme && study && study->quantization && sameGrid(*scheme, study->scheme) &&
                      (scheme->granularity == study->scheme.granularity);
    distribution->setQuantization(fits ? study->quantization : nullptr);
    second->setQuantization(fits ? study->quantization : nullptr);
}

void ActivationsPage::Private::showLimits()
{
    if (!hasHandles() || !study || !study->distribution) {
        limits.reset();
    } else if (scheme->range == Range::Absolute) {
        const bool symmetric = scheme->symmetry == Symmetry::Symmetric;
        limits = PlotRange{symmetric ? -scheme->rangeParameter : scheme->rangeLow, scheme->rangeParameter};
    } else if (study->scheme == *scheme && study->quantization) {
        limits = PlotRange{study->quantization->limitLo, study->quantization->limitHi};
    } else if (sameGrid(*scheme, study->scheme)) {
        for (const RangeMark& mark : study->marks) {
            if (mark.range == scheme->range && mark.parameter == scheme->rangeParameter)
                limits = PlotRange{double(mark.limits.lo), double(mark.limits.hi)};
        }
    }
    if (limits && scheme->symmetry == Symmetry::Symmetric)
        limits->lo = -(limits->hi = std::max(-limits->lo, limits->hi));
    distribution->setLimits(limits);
    second->setLimits(limits);
}

void ActivationsPage::Private::showMarks()
{
    std::vector<DistributionPlot::MethodMark> marks;
    if (hasHandles() && study && sameGrid(*scheme, study->scheme)) {
        for (const RangeMark& mark : study->marks) {
            const QString name = rangeName(mark.range, mark.parameter);
            const ClipLimits effective = effectiveLimits(mark.limits, scheme->symmetry);
            const double lo = double(effective.lo), hi = double(effective.hi);
            const QString tip = tr("%1: %2\nLimits %3, mean squared error %4, SQNR %5 dB.")
                                    .arg(name, rangeSummary(mark.range), limitsText(lo, hi), shortText(mark.mse),
                                         decibelText(mark.sqnrDb));
            marks.push_back({name, tip, hi, lo < 0 && lo != -hi ? std::optional(lo) : std::nullopt,
                             mark.range == scheme->range && mark.parameter == scheme->rangeParameter});
        }
    }
    distribution->setMarks(std::move(marks));
}

void ActivationsPage::Private::showObstacle()
{
    if (state != CalibrationState::Ready)
        strip->setStaticObstacle(tr("Static ranges come from a calibration, and there is none for this input yet."));
    else if (study && !study->distribution)
        strip->setStaticObstacle(tr("Static ranges need a histogram; this source knows only second moments."));
    else
        strip->setStaticObstacle({});
}

ActivationsPage::ActivationsPage(QWidget* parent)
    : QWidget(parent)
    , d(std::make_unique<Private>())
{
    d->page = this;
    d->notice = new InlineBar;
    d->source->setFont(theme::smallFont());
    d->source->setForegroundRole(QPalette::PlaceholderText);
    d->source->setAccessibleName(tr("Source of the activations"));
    QWidget* first = d->makeFirst();
    d->distribution->setSubject({tr("Distribution of the activations"), tr("Activation value"), tr("activation"),
                                 QStringLiteral("x"), Ink::Activations});
    d->distribution->setLimits({});
    d->distribution->setPreviewText({}); // the histogram is of all tokens
    d->distribution->setHomeSigmas(0); // outliers are the point, and marks and handles stand among them
    d->bar->setState({0, false, true, quint32(d->distribution->overlays())});
    d->splitter = new QSplitter(Qt::Vertical);
    d->splitter->addWidget(first);
    d->splitter->addWidget(d->second);
    d->splitter->setStretchFactor(0, 3);
    d->splitter->setStretchFactor(1, 2);
    d->splitter->setChildrenCollapsible(false);
    d->whole = new QStackedWidget;
    d->whole->addWidget(d->invitation);
    d->whole->addWidget(d->splitter);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(2);
    layout->addWidget(d->notice);
    layout->addWidget(d->strip);
    auto* sourceRow = plotbar::row();
    sourceRow->setContentsMargins(theme::kSpacing, 0, theme::kSpacing, 0);
    sourceRow->addWidget(d->source, 1);
    layout->addLayout(sourceRow);
    layout->addWidget(d->whole, 1);
    d->connectAll();
    d->showScheme();
    setCalibrationState(CalibrationState::NoModel);
}

ActivationsPage::~ActivationsPage() = default;

void ActivationsPage::setCalibrationState(CalibrationState state, const QString& detail)
{
    const bool ready = state == CalibrationState::Ready;
    d->invitation->setState(state, detail);
    d->whole->setCurrentIndex(ready ? 1 : 0);
    d->strip->setEnabled(state != CalibrationState::NoModel && state != CalibrationState::NotAnInput);
    d->state = state;
    d->showObstacle();
    d->source->setVisible(ready);
}

void ActivationsPage::setSubject(const QString& caption, const std::optional<ActivationScheme>& scheme)
{
    d->caption = caption;
    d->scheme = scheme;
    d->study.reset();
    d->limits.reset();
    d->notice->hide();
    d->distribution->clear();
    d->distribution->setEmptyText(tr("The distribution of what flows into this layer appears here…"));
    d->second->setStudy({});
    d->showSource();
    d->showScheme();
}

void ActivationsPage::setScheme(const std::optional<ActivationScheme>& scheme)
{
    if (scheme == d->scheme)
        return;
    d->scheme = scheme;
    d->showScheme();
}

void ActivationsPage::setStudy(Shared<ActivationStudy> study)
{
    d->study = study;
    d->notice->hidePast();
    d->showSource();
    if (study && !study->distribution) {
        d->distribution->setEmptyText(tr("Second moments only (%1): there is no histogram. The channels below are what is "
                                         "known; run a calibration for the rest.")
                                          .arg(QString::fromStdString(study->source.kind)));
    } else if (study && study->distribution->stats.finite() == 0) {
        d->distribution->setEmptyText(tr("Not one of the %1 values is finite: NaN and infinities have no distribution.")
                                          .arg(wholeText(study->distribution->stats.count)));
    }
    d->showObstacle();
    d->distribution->setDistribution(study ? study->distribution : nullptr);
    d->second->setStudy(study);
    d->showScheme();
}

void ActivationsPage::setFailure(const QString& message)
{
    d->notice->showMessage(InlineBar::Level::Error, message);
}

const std::optional<ActivationScheme>& ActivationsPage::scheme() const
{
    return d->scheme;
}

ActivationScheme ActivationsPage::studyScheme() const
{
    return d->scheme.value_or(d->last);
}

ActivationPlot ActivationsPage::secondPlot() const
{
    return d->second->plot();
}

void ActivationsPage::setSecondPlot(ActivationPlot plot)
{
    d->second->setPlot(plot);
}

QByteArray ActivationsPage::saveState() const
{
    QByteArray state;
    QDataStream stream(&state, QIODevice::WriteOnly);
    stream.setVersion(QDataStream::Qt_6_0);
    const DistributionBar::State bar = d->bar->state();
    stream << kInputsStateVersion << qint32(bar.xMode) << bar.counts << bar.logarithmic << bar.overlays
           << qint32(d->second->plot()) << d->splitter->saveState();
    return state;
}

void ActivationsPage::restoreState(const QByteArray& state)
{
    QDataStream stream(state);
    stream.setVersion(QDataStream::Qt_6_0);
    quint32 version = 0;
    qint32 second = 0;
    DistributionBar::State bar;
    QByteArray splitter;
    stream >> version >> bar.xMode >> bar.counts >> bar.logarithmic >> bar.overlays >> second >> splitter;
    if (version != kInputsStateVersion || stream.status() != QDataStream::Ok)
        return;
    d->bar->setState(bar);
    setSecondPlot(ActivationPlot(std::clamp<qint32>(second, 0, int(ActivationPlot::Occupancy))));
    d->splitter->restoreState(splitter);
}

} // namespace ql
