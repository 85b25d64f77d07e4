// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/kvpage.h"

#include "core/calibration/activationstudy.h"
#include "widgets/models/kvlayersmodel.h"
#include "widgets/models/numbertext.h"
#include "widgets/panels/elidedlabel.h"
#include "widgets/panels/inlinebar.h"
#include "widgets/panels/kvstrip.h"
#include "widgets/panels/numberstable.h"
#include "widgets/panels/plotbar.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/plots/barsplot.h"
#include "widgets/plots/distributionplot.h"
#include "widgets/plots/seriesplot.h"
#include "widgets/theme.h"

#include <QComboBox>
#include <QDataStream>
#include <QHBoxLayout>
#include <QItemSelectionModel>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSplitter>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr quint32 kKvStateVersion = 1;
constexpr double kKvOutlierFactor = 6;

double medianOf(const std::vector<double>& values)
{
    std::vector<double> finite;
    std::copy_if(values.begin(), values.end(), std::back_inserter(finite), [](double x) { return std::isfinite(x); });
    if (finite.empty())
        return 0;
    std::nth_element(finite.begin(), finite.begin() + long(finite.size() / 2), finite.end());
    return finite[finite.size() / 2];
}

} // namespace

struct KvPage::Private {
    KvPage* page = nullptr;
    QString caption;
    int layers = 0, headDim = 0, current = 0;
    std::vector<std::optional<KvScheme>> schemes;
    Shared<KvStudy> study;
    bool busy = false;

    QComboBox* layer = new QComboBox;
    SegmentedChoice *scope = nullptr, *choice = nullptr;
    ElidedLabel* note = new ElidedLabel(Qt::ElideRight);
    QPushButton* measure = nullptr;
    KvStrip* strip = new KvStrip;
    DistributionPlot *keys = new DistributionPlot, *values = new DistributionPlot;
    KvLayersModel* model = nullptr;
    NumbersTable* table = new NumbersTable;
    BarsPlot *keyChannels = new BarsPlot, *valueChannels = new BarsPlot;
    SeriesPlot* position = new SeriesPlot;
    std::vector<int> curves; ///< layer of every curve
    QToolButton *sorted = nullptr, *logX = nullptr, *logY = nullptr, *menu = nullptr;
    QSplitter *splitter = nullptr, *pair = nullptr;
    QStackedWidget *stack = nullptr, *whole = nullptr;
    QLabel* nothing = nullptr;
    InlineBar* notice = nullptr;

    QList<PlotView*> views() const { return {keys, values, keyChannels, valueChannels, position}; }
    QHBoxLayout* makeTop();
    QWidget* makeHistogram(DistributionPlot* plot);
    QWidget* makeSecond();
    void connectAll();
    void choose(int wanted, bool byUser);
    void showScheme();
    void showNote();
    void showLayer();
    void showChannels(BarsPlot* plot, const std::vector<float>& largest, const QString& item);
    void showPositions();
    void showPlot();
    void explain();
    const KvLayerStudy* studied() const;
};

QHBoxLayout* KvPage::Private::makeTop()
{
    layer->setAccessibleName(tr("Layer"));
    layer->setToolTip(tr("Whose cache is shown; follows the selected layer."));
    layer->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    layer->setMinimumContentsLength(7);
    scope = new SegmentedChoice({tr("All layers"), tr("This layer")});
    scope->setAccessibleName(tr("What an edit applies to"));
    scope->setOptionToolTip(0, tr("An edit of the controls below applies to every layer."));
    scope->setOptionToolTip(1, tr("An edit of the controls below applies to the layer on the left alone."));
    scope->setCurrent(0);
    scope->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    note->setFont(theme::smallFont());
    note->setForegroundRole(QPalette::PlaceholderText);
    measure = new QPushButton(theme::icon("run"), tr("Measure"));
    auto* row = plotbar::row();
    row->addWidget(layer);
    row->addWidget(scope);
    row->addWidget(note, 1);
    row->addWidget(measure);
    return row;
}

QWidget* KvPage::Private::makeHistogram(DistributionPlot* plot)
{
    plot->setLimits({});
    plot->setPlain();
    plot->setHomeSigmas(0);
    plot->setLogarithmic(true);
    return plot;
}

QWidget* KvPage::Private::makeSecond()
{
    auto* panel = new QWidget;
    choice = new SegmentedChoice({tr("Layers"), tr("Key channels"), tr("Value channels"), tr("Position")});
    choice->setAccessibleName(tr("Second plot"));
    const QStringList tips{tr("Scheme and error of every layer; click one to look at it"),
                           tr("Absolute maximum of every key channel of the layer: the outlier picture"),
                           tr("Absolute maximum of every value channel of the layer"),
                           tr("Error of the attention output against the position in the sequence, a curve per layer")};
    for (int i = 0; i < tips.size(); ++i)
        choice->setOptionToolTip(i, tips[i]);
    sorted = plotbar::toggle(tr("Sort"), tr("Largest first instead of channel order"));
    logX = plotbar::toggle(tr("Log x"), tr("Logarithmic position: shows the first tokens"));
    logY = plotbar::toggle(tr("Log y"), tr("Logarithmic error: layers of different size side by side"));
    menu = plotbar::menu(tr("Copy or save this plot"));
    auto* row = plotbar::row();
    row->addWidget(choice);
    row->addStretch();
    for (QWidget* widget : std::initializer_list<QWidget*>{sorted, logX, logY, menu})
        row->addWidget(widget);
    model = new KvLayersModel(page);
    table->setModel(model);
    table->setWidths({5, 24, 8, 9, 9, 5}, KvLayersModel::SchemeText);
    table->setAccessibleName(tr("Cache of every layer"));
    stack = new QStackedWidget;
    for (QWidget* widget : std::initializer_list<QWidget*>{table, keyChannels, valueChannels, position})
        stack->addWidget(widget);
    keyChannels->setInk(Ink::Keys);
    keyChannels->setAccessibleName(tr("Key channels"));
    valueChannels->setInk(Ink::Values);
    valueChannels->setAccessibleName(tr("Value channels"));
    position->setAccessibleName(tr("Error against position"));
    position->setAxes(tr("Position (tokens)"), tr("Relative error of attention output (%)"));
    auto* layout = new QVBoxLayout(panel);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addLayout(row);
    layout->addWidget(stack, 1);
    return panel;
}

void KvPage::Private::connectAll()
{
    QObject::connect(layer, &QComboBox::activated, page, [this](int index) { choose(index, true); });
    QObject::connect(table->selectionModel(), &QItemSelectionModel::currentRowChanged, page,
                     [this](const QModelIndex& now) {
                         if (now.isValid())
                             choose(now.row(), true);
                     });
    QObject::connect(position, &SeriesPlot::picked, page, [this](int curve) { choose(curves[size_t(curve)], true); });
    QObject::connect(scope, &SegmentedChoice::chosen, page, [this] { showNote(); });
    QObject::connect(strip, &KvStrip::edited, page, [this](const std::optional<KvScheme>& scheme) {
        Q_EMIT page->schemeEdited(scope->current() == 0 ? -1 : current, scheme);
    });
    QObject::connect(measure, &QPushButton::clicked, page, &KvPage::studyWanted);
    QObject::connect(choice, &SegmentedChoice::chosen, page, [this] { showPlot(); });
    QObject::connect(sorted, &QToolButton::toggled, keyChannels, &BarsPlot::setSorted);
    QObject::connect(sorted, &QToolButton::toggled, valueChannels, &BarsPlot::setSorted);
    QObject::connect(logX, &QToolButton::toggled, position, &SeriesPlot::setLogarithmicX);
    QObject::connect(logY, &QToolButton::toggled, position, &SeriesPlot::setLogarithmicY);
    for (PlotView* view : views()) {
        QObject::connect(view, &PlotView::exportFailed, notice, [this](const QString& message) {
            notice->showMessage(InlineBar::Level::Error, message);
        });
    }
}

void KvPage::Private::choose(int wanted, bool byUser)
{
    if (wanted < 0 || wanted >= layers || wanted == current)
        return;
    current = wanted;
    showScheme();
    showLayer();
    if (byUser)
        Q_EMIT page->layerChosen(wanted);
}

const KvLayerStudy* KvPage::Private::studied() const
{
    if (!study)
        return nullptr;
    const auto found = std::find_if(study->layers.begin(), study->layers.end(),
                                    [this](const KvLayerStudy& one) { return one.layer == current; });
    return found == study->layers.end() ? nullptr : &*found;
}

void KvPage::Private::showScheme()
{
    {
        const QSignalBlocker blockTable(table->selectionModel());
        layer->setCurrentIndex(current);
        table->setCurrentIndex(model->index(current, 0));
    }
    table->viewport()->update(); // a blocked selection model tells nobody, not even its view
    strip->setScheme(size_t(current) < schemes.size() ? schemes[size_t(current)] : std::nullopt);
    showNote();
}

void KvPage::Private::showNote()
{
    const bool differ = std::any_of(schemes.begin(), schemes.end(), [this](const auto& one) { return one != schemes.front(); });
    QStringList parts;
    if (busy)
        parts << tr("measuring…");
    else if (model->isStale())
        parts << tr("changed since it was measured");
    else if (study)
        parts << tr("%1 tokens").arg(wholeText(study->tokens));
    if (differ && scope->current() == 0)
        parts << tr("layers differ");
    note->setText(parts.join(QStringLiteral(" · ")));
    measure->setEnabled(!busy && layers > 0);
    measure->setToolTip(busy ? tr("A measurement is under way; the status bar shows how far it is.")
                             : tr("Run the model on the calibration text and compare every layer's attention output with "
                                  "its quantized cache to the one with the original cache."));
    const bool kept = size_t(current) < schemes.size() && !schemes[size_t(current)];
    const QString scheme = kept || schemes.empty() ? tr("kept") : QString::fromStdString(schemes[size_t(current)]->text());
    for (PlotView* view : views())
        view->setCaption(tr("%1 · layer %2 · cache %3").arg(caption).arg(current).arg(scheme));
}

void KvPage::Private::showChannels(BarsPlot* plot, const std::vector<float>& largest, const QString& item)
{
    Bars bars;
    bars.item = item;
    bars.measure = tr("Absolute maximum");
    bars.values.assign(largest.begin(), largest.end());
    const double limit = kKvOutlierFactor * medianOf(bars.values);
    std::vector<float> known = largest;
    std::replace_if(known.begin(), known.end(), [](float x) { return !std::isfinite(x); }, 0.0f);
    const std::vector<int64_t> outliers = outlierChannels(known, kKvOutlierFactor);
    bars.marked.assign(outliers.begin(), outliers.end());
    bars.markedNote = tr("outlier: more than %1 times the median channel").arg(kKvOutlierFactor);
    if (headDim > 0 && bars.values.size() > size_t(headDim)) {
        for (size_t i = 0; i < bars.values.size(); ++i) {
            const int head = int(i) / headDim, channel = int(i) % headDim;
            bars.names << QStringLiteral("%1:%2").arg(head).arg(channel);
            bars.notes << tr("head %1, channel %2").arg(head).arg(channel);
        }
    }
    const bool any = !bars.values.empty();
    plot->setBars(std::move(bars));
    plot->setReferences(any ? std::vector<BarsPlot::Reference>{{limit, tr("%1 × median").arg(kKvOutlierFactor)}}
                            : std::vector<BarsPlot::Reference>());
}

void KvPage::Private::showLayer()
{
    const KvLayerStudy* one = studied();
    keys->setDistribution(one ? one->keys : nullptr);
    values->setDistribution(one ? one->values : nullptr);
    static const std::vector<float> none;
    showChannels(keyChannels, one ? one->keyChannelAbsMax : none, tr("Key channel (head:channel)"));
    showChannels(valueChannels, one ? one->valueChannelAbsMax : none, tr("Value channel (head:channel)"));
    const auto curve = std::find(curves.begin(), curves.end(), current);
    position->setPicked(curve == curves.end() ? -1 : int(curve - curves.begin()));
}

/// Curves of an older scheme would lie; layers that are kept have no error.
void KvPage::Private::showPositions()
{
    std::vector<Series> series;
    curves.clear();
    for (int i = 0; i < layers; ++i) {
        const KvLayerStudy* one = model->valid(i);
        if (!one || !one->scheme || one->positionError.empty())
            continue;
        Series curve{tr("layer %1").arg(i), one->positionError};
        for (double& value : curve.values)
            value *= 100;
        series.push_back(std::move(curve));
        curves.push_back(i);
    }
    position->setSeries(std::move(series));
}

void KvPage::Private::showPlot()
{
    const int index = choice->current();
    stack->setCurrentIndex(index);
    const bool channels = index == int(KvPlot::KeyChannels) || index == int(KvPlot::ValueChannels);
    sorted->setVisible(channels);
    logX->setVisible(index == int(KvPlot::Position));
    logY->setVisible(index == int(KvPlot::Position));
    menu->menu()->clear();
    menu->menu()->addActions(stack->currentWidget()->actions());
}

void KvPage::Private::explain()
{
    const QString how = busy ? tr("Measuring: the model reads the text…")
                             : tr("Press Measure: the model reads the calibration text.");
    keys->setEmptyText(tr("%1 The histogram of the keys appears here.").arg(how));
    values->setEmptyText(tr("%1 The histogram of the values appears here.").arg(how));
    for (BarsPlot* plot : {keyChannels, valueChannels})
        plot->setEmptyText(tr("%1 The largest magnitude of every channel appears here.").arg(how));
    const bool all = std::none_of(schemes.begin(), schemes.end(), [](const auto& one) { return one.has_value(); });
    position->setEmptyText(study && all ? tr("Every layer keeps its cache: there is no error. Choose a format above.")
                                        : tr("%1 How the error grows with the position appears here.").arg(how));
}

KvPage::KvPage(QWidget* parent)
    : QWidget(parent)
    , d(std::make_unique<Private>())
{
    d->page = this;
    d->notice = new InlineBar;
    d->keys->setSubject({tr("Distribution of the keys"), tr("Key value"), tr("key"), QStringLiteral("k"), Ink::Keys});
    d->values->setSubject({tr("Distribution of the values"), tr("Value in the cache"), tr("value"), QStringLiteral("v"),
                           Ink::Values});
    d->pair = new QSplitter(Qt::Horizontal);
    d->pair->addWidget(d->makeHistogram(d->keys));
    d->pair->addWidget(d->makeHistogram(d->values));
    d->splitter = new QSplitter(Qt::Vertical);
    d->splitter->addWidget(d->pair);
    d->splitter->addWidget(d->makeSecond());
    for (QSplitter* one : {d->pair, d->splitter}) {
        one->setStretchFactor(0, 1);
        one->setStretchFactor(1, 1);
        one->setChildrenCollapsible(false);
    }
    d->nothing = new QLabel;
    d->nothing->setAlignment(Qt::AlignCenter);
    d->nothing->setWordWrap(true);
    d->nothing->setMargin(4 * theme::kSpacing);
    d->nothing->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    auto* content = new QWidget;
    auto* inside = new QVBoxLayout(content);
    inside->setContentsMargins(0, 0, 0, 0);
    inside->setSpacing(2);
    inside->addLayout(d->makeTop());
    inside->addWidget(d->strip);
    inside->addSpacing(4);
    inside->addWidget(d->splitter, 1);
    d->whole = new QStackedWidget;
    d->whole->addWidget(content);
    d->whole->addWidget(d->nothing);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(d->notice);
    layout->addWidget(d->whole, 1);
    d->connectAll();
    d->choice->setCurrent(int(KvPlot::Layers));
    d->showPlot();
    setSubject({}, 0, 0);
}

KvPage::~KvPage() = default;

void KvPage::setSubject(const QString& caption, int layers, int headDim, const QString& why)
{
    d->caption = caption;
    d->layers = layers;
    d->headDim = headDim;
    d->current = 0;
    d->study.reset();
    d->busy = false;
    d->notice->hide();
    d->nothing->setText(why.isEmpty() ? tr("Open a model: how its keys and values are stored while it runs appears here.") : why);
    d->whole->setCurrentIndex(layers > 0 ? 0 : 1);
    d->layer->clear();
    for (int i = 0; i < layers; ++i)
        d->layer->addItem(tr("Layer %1").arg(i));
    d->strip->setHeadDim(headDim);
    d->model->setStudy({});
    setSchemes(std::vector<std::optional<KvScheme>>(size_t(std::max(0, layers))));
    d->showLayer();
}

void KvPage::setSchemes(std::vector<std::optional<KvScheme>> schemes)
{
    schemes.resize(size_t(std::max(0, d->layers)));
    d->schemes = std::move(schemes);
    d->model->setSchemes(d->schemes, d->headDim);
    d->explain();
    d->showPositions();
    d->showScheme();
    const auto curve = std::find(d->curves.begin(), d->curves.end(), d->current);
    d->position->setPicked(curve == d->curves.end() ? -1 : int(curve - d->curves.begin()));
}

void KvPage::setStudy(Shared<KvStudy> study)
{
    d->study = study;
    d->busy = false;
    d->notice->hidePast();
    d->model->setStudy(study);
    d->explain();
    d->showPositions();
    d->showLayer();
    d->showNote();
}

void KvPage::setBusy(bool busy)
{
    d->busy = busy;
    d->explain();
    d->showNote();
}

void KvPage::setFailure(const QString& message)
{
    setBusy(false);
    d->notice->showMessage(InlineBar::Level::Error, message);
}

int KvPage::layer() const
{
    return d->current;
}

void KvPage::setLayer(int layer)
{
    d->choose(layer, false);
}

KvPlot KvPage::plot() const
{
    return KvPlot(d->choice->current());
}

void KvPage::setPlot(KvPlot plot)
{
    d->choice->setCurrent(int(plot));
    d->showPlot();
}

QByteArray KvPage::saveState() const
{
    QByteArray state;
    QDataStream stream(&state, QIODevice::WriteOnly);
    stream.setVersion(QDataStream::Qt_6_0);
    stream << kKvStateVersion << qint32(d->choice->current()) << d->logX->isChecked() << d->logY->isChecked()
           << d->splitter->saveState() << d->pair->saveState();
    return state;
}

void KvPage::restoreState(const QByteArray& state)
{
    QDataStream stream(state);
    stream.setVersion(QDataStream::Qt_6_0);
    quint32 version = 0;
    qint32 plot = 0;
    bool logX = false, logY = false;
    QByteArray splitter, pair;
    stream >> version >> plot >> logX >> logY >> splitter >> pair;
    if (version != kKvStateVersion || stream.status() != QDataStream::Ok)
        return;
    d->logX->setChecked(logX);
    d->logY->setChecked(logY);
    setPlot(KvPlot(std::clamp<qint32>(plot, 0, int(KvPlot::Position))));
    d->splitter->restoreState(splitter);
    d->pair->restoreState(pair);
}

} // namespace ql
