// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/weightspage.h"

#include "core/quant/schemetable.h"
#include "widgets/models/coretext.h"
#include "widgets/panels/distributionbar.h"
#include "widgets/panels/inlinebar.h"
#include "widgets/panels/plotbar.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/plots/channelsplot.h"
#include "widgets/plots/clipsweepplot.h"
#include "widgets/plots/distributionplot.h"
#include "widgets/plots/errorplot.h"
#include "widgets/plots/formatsplot.h"
#include "widgets/plots/occupancyplot.h"
#include "widgets/theme.h"

#include <QComboBox>
#include <QDataStream>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QSplitter>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

namespace ql {
namespace {

constexpr quint32 kStateVersion = 1;

} // namespace

struct WeightsPage::Private {
    WeightsPage* page = nullptr;
    QString caption, part;
    Scheme scheme;

    DistributionPlot* distribution = new DistributionPlot;
    ClipSweepPlot* sweep = new ClipSweepPlot;
    ErrorPlot* error = new ErrorPlot;
    OccupancyPlot* occupancy = new OccupancyPlot;
    FormatsPlot* formats = new FormatsPlot;
    ChannelsPlot* channels = new ChannelsPlot;

    DistributionBar* bar = nullptr;
    SegmentedChoice* second = nullptr;
    QToolButton *partChip = nullptr, *sorted = nullptr, *secondMenu = nullptr;
    QComboBox* measure = nullptr;
    QSplitter* splitter = nullptr;
    QStackedWidget *plots = nullptr, *whole = nullptr;
    QLabel* failure = nullptr;
    InlineBar* notice = nullptr;

    PlotView* secondView() const { return static_cast<PlotView*>(plots->currentWidget()); }
    QList<PlotView*> views() const { return {distribution, sweep, error, occupancy, formats, channels}; }
    QWidget* makeFirst();
    QWidget* makeSecond();
    void connectPlots();
    void showSecond();
    void updateCaption();
    void explainEmptiness(); ///< a plot that stays empty says why
    void updateSweep() { sweep->setCurrent(scheme, distribution->clip().ratio()); }
    void edited(const Scheme& changed, bool finished);
};

QWidget* WeightsPage::Private::makeFirst()
{
    auto* panel = new QWidget;
    bar = new DistributionBar(distribution);
    bar->setXTips(tr("Horizontal axis in weight units.\nGroups have their own grids: the one of the median scale is drawn, "
                     "with the 5–95 % spread of scales above each line."),
                  tr("Every weight divided by the scale of its group.\nHere one grid is exact for every group."));
    partChip = new QToolButton;
    partChip->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    partChip->setIcon(theme::icon("close"));
    partChip->setFocusPolicy(Qt::StrongFocus);
    partChip->setToolTip(tr("Back to the whole tensor"));
    partChip->hide();
    bar->insert(partChip);
    auto* layout = new QVBoxLayout(panel);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(bar);
    layout->addWidget(distribution, 1);
    return panel;
}

QWidget* WeightsPage::Private::makeSecond()
{
    auto* panel = new QWidget;
    auto* row = plotbar::row();
    second = new SegmentedChoice({tr("Clip sweep"), tr("Error"), tr("Occupancy"), tr("Formats"), tr("Channels")});
    second->setAccessibleName(tr("Second plot"));
    const QStringList tips{tr("Mean squared error against the clip ratio, with the four methods marked"),
                           tr("Histogram of reconstructed minus original value"),
                           tr("Share of the values that every code stores, and the entropy of the codes"),
                           tr("Signal to quantization noise (SQNR, dB) against bits per weight for every format"),
                           tr("Range, scale and error of every output channel")};
    for (int i = 0; i < tips.size(); ++i)
        second->setOptionToolTip(i, tips[i]);
    measure = new QComboBox;
    measure->addItems({tr("Max |w|"), tr("Scale"), tr("RMS error"), tr("Rel. error")}); // the axis spells it out
    measure->setAccessibleName(tr("Measure of the channels"));
    measure->setToolTip(tr("Relative error: ‖x̂ − x‖ ÷ ‖x‖ of the channel, in percent"));
    sorted = plotbar::toggle(tr("Sort"), tr("Largest first instead of channel order"));
    secondMenu = plotbar::menu(tr("Copy or save this plot"));
    row->addWidget(second);
    row->addStretch();
    row->addWidget(measure);
    row->addWidget(sorted);
    row->addWidget(secondMenu);
    plots = new QStackedWidget;
    for (PlotView* view : {static_cast<PlotView*>(sweep), static_cast<PlotView*>(error),
                           static_cast<PlotView*>(occupancy), static_cast<PlotView*>(formats),
                           static_cast<PlotView*>(channels)})
        plots->addWidget(view);
    auto* layout = new QVBoxLayout(panel);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addLayout(row);
    layout->addWidget(plots, 1);
    return panel;
}

void WeightsPage::Private::connectPlots()
{
    const auto edit = [this](const Scheme& changed, bool finished) { edited(changed, finished); };
    QObject::connect(distribution, &DistributionPlot::schemeEdited, page, edit);
    QObject::connect(sweep, &ClipSweepPlot::schemeEdited, page, edit);
    QObject::connect(formats, &FormatsPlot::schemeEdited, page, edit);
    QObject::connect(distribution, &DistributionPlot::rangeBrushed, page, &WeightsPage::rangeBrushed);
    QObject::connect(channels, &ChannelsPlot::channelPicked, page, &WeightsPage::channelPicked);
    QObject::connect(partChip, &QToolButton::clicked, page, [this] { Q_EMIT page->channelPicked(-1); });
    QObject::connect(measure, &QComboBox::currentIndexChanged, channels,
                     [this](int index) { channels->setMeasure(ChannelsPlot::Measure(index)); });
    QObject::connect(sorted, &QToolButton::toggled, channels, &ChannelsPlot::setSorted);
    QObject::connect(second, &SegmentedChoice::chosen, page, [this](int index) { page->setSecondPlot(SecondPlot(index)); });
    for (PlotView* view : views()) {
        QObject::connect(view, &PlotView::exportFailed, notice, [this](const QString& message) {
            notice->showMessage(InlineBar::Level::Error, message);
        });
    }
}

void WeightsPage::Private::edited(const Scheme& changed, bool finished)
{
    updateSweep();
    Q_EMIT page->schemeEdited(changed, finished);
}

void WeightsPage::Private::explainEmptiness()
{
    const FormatTraits& format = traits(scheme.format);
    const QString name = fromStd(format.label);
    const QString kept = tr("%1 keeps floating-point values: there are no codes to count.").arg(name);
    occupancy->setEmptyText(scheme.keepsFloat() ? kept : tr("Quantizing: how often each code is used appears here…"));
    error->setEmptyText(scheme.keepsFloat()
                            ? tr("The histogram of the error appears here; %1 may lose nothing at all.").arg(name)
                            : tr("Quantizing: the histogram of reconstructed minus original value appears here…"));
    sweep->setEmptyText(format.choosesClip
                            ? tr("Computing the clip sweep: the error at every clip ratio, and where each method would "
                                 "clip…")
                            : tr("%1 fixes its own range: there is no clip limit to choose.").arg(name));
}

void WeightsPage::Private::showSecond()
{
    const int index = second->current();
    plots->setCurrentIndex(index);
    measure->setVisible(index == int(SecondPlot::Channels));
    sorted->setVisible(index == int(SecondPlot::Channels));
    secondMenu->menu()->clear();
    secondMenu->menu()->addActions(secondView()->actions());
}

void WeightsPage::Private::updateCaption()
{
    explainEmptiness();
    QStringList parts{caption};
    if (!part.isEmpty())
        parts << part;
    parts << QString::fromStdString(scheme.text());
    for (PlotView* view : views())
        view->setCaption(parts.join(" · "));
}

WeightsPage::WeightsPage(QWidget* parent)
    : QWidget(parent)
    , d(std::make_unique<Private>())
{
    d->page = this;
    d->notice = new InlineBar;
    d->failure = new QLabel;
    d->failure->setAlignment(Qt::AlignCenter);
    d->failure->setWordWrap(true);
    d->failure->setMargin(4 * theme::kSpacing);
    d->failure->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    d->splitter = new QSplitter(Qt::Vertical);
    d->splitter->addWidget(d->makeFirst());
    d->splitter->addWidget(d->makeSecond());
    d->splitter->setStretchFactor(0, 3);
    d->splitter->setStretchFactor(1, 2);
    d->splitter->setChildrenCollapsible(false);
    d->whole = new QStackedWidget;
    d->whole->addWidget(d->splitter);
    d->whole->addWidget(d->failure);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(d->notice);
    layout->addWidget(d->whole, 1);
    d->connectPlots();
    d->second->setCurrent(0);
    d->showSecond();
}

WeightsPage::~WeightsPage() = default;

void WeightsPage::setSubject(const QString& caption, const QString& part, const Scheme& scheme)
{
    if (caption != d->caption) { // a channel of the same tensor keeps its neighbours in sight
        d->channels->setStudy({});
        d->channels->setPicked(-1);
    }
    d->caption = caption;
    d->part = part;
    d->scheme = scheme;
    d->notice->hide();
    d->whole->setCurrentIndex(0);
    d->partChip->setText(part);
    d->partChip->setVisible(!part.isEmpty());
    d->distribution->clear();
    d->distribution->setScheme(scheme);
    d->sweep->setStudy({});
    d->error->setQuantization({});
    d->occupancy->setQuantization({});
    d->formats->setStudy({});
    for (PlotView* view : d->views())
        view->resetView();
    d->updateCaption();
    d->formats->setScheme(scheme);
    d->updateSweep();
}

void WeightsPage::setScheme(const Scheme& scheme)
{
    d->scheme = scheme;
    d->distribution->setScheme(scheme);
    d->formats->setScheme(scheme);
    d->updateSweep();
    d->updateCaption();
}

void WeightsPage::setDistribution(Shared<Distribution> distribution)
{
    d->whole->setCurrentIndex(0);
    d->distribution->setDistribution(distribution);
}

void WeightsPage::setQuantization(Shared<Quantization> quantization)
{
    d->distribution->setQuantization(quantization);
    d->error->setQuantization(quantization);
    d->occupancy->setQuantization(quantization);
    d->updateSweep();
}

void WeightsPage::setClipStudy(Shared<ClipStudy> study)
{
    d->distribution->setClipStudy(study);
    d->sweep->setStudy(study);
    d->updateSweep();
}

void WeightsPage::setFormatStudy(Shared<FormatStudy> study)
{
    d->formats->setStudy(study);
}

void WeightsPage::setChannelStudy(Shared<ChannelStudy> study)
{
    d->channels->setStudy(study);
}

void WeightsPage::setPickedChannel(qint64 row)
{
    d->channels->setPicked(row);
}

void WeightsPage::setFailure(const QString& message)
{
    d->failure->setText(message);
    d->whole->setCurrentIndex(1);
}

SecondPlot WeightsPage::secondPlot() const
{
    return SecondPlot(d->plots->currentIndex());
}

void WeightsPage::setSecondPlot(SecondPlot plot)
{
    d->second->setCurrent(int(plot));
    if (d->plots->currentIndex() == int(plot))
        return;
    d->showSecond();
    Q_EMIT secondPlotChanged(plot);
}

QByteArray WeightsPage::saveState() const
{
    QByteArray state;
    QDataStream stream(&state, QIODevice::WriteOnly);
    stream.setVersion(QDataStream::Qt_6_0);
    const DistributionBar::State bar = d->bar->state();
    stream << kStateVersion << qint32(bar.xMode) << bar.counts << bar.logarithmic << bar.overlays
           << qint32(d->second->current()) << qint32(d->measure->currentIndex())
           << d->sorted->isChecked() << d->splitter->saveState();
    return state;
}

void WeightsPage::restoreState(const QByteArray& state)
{
    QDataStream stream(state);
    stream.setVersion(QDataStream::Qt_6_0);
    quint32 version = 0;
    qint32 second = 0, measure = 0;
    DistributionBar::State bar;
    bool sorted = false;
    QByteArray splitter;
    stream >> version >> bar.xMode >> bar.counts >> bar.logarithmic >> bar.overlays >> second >> measure >> sorted >> splitter;
    if (version != kStateVersion || stream.status() != QDataStream::Ok)
        return;
    d->bar->setState(bar);
    d->measure->setCurrentIndex(measure);
    d->sorted->setChecked(sorted);
    setSecondPlot(SecondPlot(qBound(0, second, d->plots->count() - 1)));
    d->splitter->restoreState(splitter);
}

} // namespace ql
