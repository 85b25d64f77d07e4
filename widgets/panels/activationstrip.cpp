// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/activationstrip.h"

#include "core/quant/schemetable.h"
#include "widgets/models/coretext.h"
#include "widgets/models/rangename.h"
#include "widgets/panels/formatcombo.h"
#include "widgets/panels/numberspinbox.h"
#include "widgets/panels/plotbar.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/theme.h"

#include <QDoubleSpinBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QSignalBlocker>
#include <QTimer>
#include <QVBoxLayout>

namespace ql {
namespace {

using Per = ActivationScheme::Granularity;
using Range = ActivationScheme::Range;

constexpr int kInputGroups[] = {16, 32, 64, 128, 256, 512, 1024};
constexpr Range kRanges[] = {Range::MinMax, Range::Average, Range::Percentile, Range::Mse, Range::Kl, Range::Absolute};
constexpr double kUsualPercentile = 99.9;
constexpr double kMost = 3e38;

/// Why core refuses this scheme, for a tooltip; empty when it does not.
QString refusal(const ActivationScheme& scheme)
{
    const Status status = scheme.check();
    return status.ok() ? QString() : QString::fromStdString(status.error().message);
}

/// The nearest scheme that core takes after one field was chosen.
ActivationScheme mended(ActivationScheme scheme)
{
    const FormatTraits& format = traits(scheme.format);
    if (!format.choosesSymmetry)
        scheme.symmetry = Symmetry::Symmetric;
    if (!format.choosesRange || scheme.symmetry == Symmetry::Asymmetric)
        scheme.codes = CodeRange::Strict;
    if (!format.choosesGranularity) {
        scheme.granularity = Per::Group;
        scheme.groupSize = format.blockSize;
    }
    if (scheme.range == Range::Absolute && scheme.symmetry == Symmetry::Symmetric)
        scheme.rangeLow = 0;
    if (!scheme.check().ok()) {
        scheme.range = Range::MinMax;
        scheme.rangeParameter = scheme.rangeLow = 0;
    }
    return scheme;
}

} // namespace

struct ActivationStrip::Private {
    ActivationStrip* q;
    std::optional<ActivationScheme> scheme;
    ActivationScheme last; ///< what turning quantization on again brings back
    QString obstacle;

    FormatCombo* format;
    SegmentedChoice *symmetry, *granularity, *codes;
    QComboBox *groupSize, *range;
    QDoubleSpinBox *low, *high;
    QLabel* kind;
    QTimer settle;

    void build();
    void arrange();
    void connectAll();
    void edit(ActivationScheme changed, bool finished = true);
    void chooseRange(Range chosen);
    void show();
    void showRange();
    void enable();
    void enableGranularity();
    void enableRanges();
};

void ActivationStrip::Private::build()
{
    format = new FormatCombo(&ActivationScheme::takes, tr("Off"), q);
    format->setAccessibleName(tr("Format of the activations"));
    format->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    format->setMinimumContentsLength(8);
    symmetry = new SegmentedChoice({tr("Symmetric"), tr("Asymmetric")}, q);
    symmetry->setAccessibleName(tr("Symmetry"));
    symmetry->setOptionToolTip(0, tr("x̂ = s·q: zero is a level, both limits have the same magnitude."));
    symmetry->setOptionToolTip(1, tr("x̂ = s·(q − z): a zero point z lets the two limits differ, as one-sided activations "
                                     "want it."));
    range = new QComboBox(q);
    for (const Range one : kRanges) {
        const QString name = one == Range::Percentile ? tr("percentile") : rangeName(one, 0);
        range->addItem(name.left(1).toUpper() + name.mid(1), int(one));
    }
    range->setAccessibleName(tr("How the range is chosen"));
    const auto spin = [this](const QString& name) {
        auto* box = new NumberSpinBox(q);
        box->setLocale(QLocale::c());
        box->setDecimals(10);
        box->setButtonSymbols(QAbstractSpinBox::NoButtons);
        box->setFixedWidth(box->fontMetrics().horizontalAdvance('0') * 8 + 12);
        box->setAccessibleName(name);
        return box;
    };
    low = spin(tr("Lower limit"));
    high = spin(tr("Parameter of the range"));
    granularity = new SegmentedChoice({tr("Tensor"), tr("Channel"), tr("Token"), tr("Group")}, q);
    granularity->setAccessibleName(tr("Scale per"));
    granularity->setOptionToolTip(0, tr("Static: one range for all tokens, fixed by the calibration."));
    granularity->setOptionToolTip(1, tr("Static: one range per input channel, fixed by the calibration."));
    granularity->setOptionToolTip(2, tr("Dynamic: each token gets its range when it arrives; needs no calibration."));
    granularity->setOptionToolTip(3, tr("Dynamic: each group of neighbouring channels of a token gets its range when it "
                                        "arrives."));
    groupSize = new QComboBox(q);
    for (const int size : kInputGroups)
        groupSize->addItem(QString::number(size), size);
    groupSize->setAccessibleName(tr("Group size in channels"));
    codes = new SegmentedChoice({tr("Strict"), tr("Full")}, q);
    codes->setAccessibleName(tr("Codes"));
    codes->setOptionToolTip(0, tr("Codes −Q…Q with Q = 2^(b−1) − 1; the lowest code stays unused."));
    codes->setOptionToolTip(1, tr("All 2^b codes, from −2^(b−1); the scale is limit / ((2^b − 1) / 2)."));
    kind = new QLabel(q);
    kind->setFont(theme::smallFont());
    kind->setForegroundRole(QPalette::PlaceholderText);
    settle.setSingleShot(true);
    settle.setInterval(kSpinSettleMs);
}

void ActivationStrip::Private::arrange()
{
    auto* first = plotbar::row();
    for (QWidget* widget : std::initializer_list<QWidget*>{format, symmetry, range, low, high})
        first->addWidget(widget);
    first->addStretch();
    first->setContentsMargins(theme::kSpacing, theme::kSpacing / 2, theme::kSpacing, 0);
    auto* second = plotbar::row();
    auto* label = new QLabel(tr("Scale per"), q);
    label->setBuddy(granularity);
    for (QWidget* widget : std::initializer_list<QWidget*>{label, granularity, groupSize, codes, kind})
        second->addWidget(widget);
    second->addStretch();
    second->setContentsMargins(theme::kSpacing, 0, theme::kSpacing, 0);
    auto* layout = new QVBoxLayout(q);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(4);
    layout->addLayout(first);
    layout->addLayout(second);
    for (SegmentedChoice* choice : {symmetry, granularity, codes})
        choice->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
}

void ActivationStrip::Private::connectAll()
{
    connect(format, &FormatCombo::formatChosen, q, [this](Format chosen) {
        ActivationScheme changed = scheme.value_or(last);
        changed.format = chosen;
        edit(changed);
    });
    connect(format, &FormatCombo::offChosen, q, [this] {
        scheme.reset();
        show();
        Q_EMIT q->edited(scheme, true);
    });
    connect(symmetry, &SegmentedChoice::chosen, q, [this](int option) {
        ActivationScheme changed = *scheme;
        changed.symmetry = Symmetry(option);
        changed.rangeLow = changed.range == Range::Absolute && option ? -changed.rangeParameter : 0;
        edit(changed);
    });
    connect(granularity, &SegmentedChoice::chosen, q, [this](int option) {
        ActivationScheme changed = *scheme;
        changed.granularity = Per(option);
        edit(changed);
    });
    connect(codes, &SegmentedChoice::chosen, q, [this](int option) {
        ActivationScheme changed = *scheme;
        changed.codes = CodeRange(option);
        edit(changed);
    });
    connect(groupSize, &QComboBox::activated, q, [this] {
        ActivationScheme changed = *scheme;
        changed.groupSize = groupSize->currentData().toInt();
        edit(changed);
    });
    connect(range, &QComboBox::activated, q, [this] { chooseRange(Range(range->currentData().toInt())); });
    const auto moved = [this] {
        ActivationScheme changed = *scheme;
        changed.rangeParameter = high->value();
        changed.rangeLow = changed.range == Range::Absolute && changed.symmetry == Symmetry::Asymmetric ? low->value() : 0;
        if (!changed.check().ok())
            return;
        edit(changed, false);
        settle.start();
    };
    connect(low, &QDoubleSpinBox::valueChanged, q, moved);
    connect(high, &QDoubleSpinBox::valueChanged, q, moved);
    connect(&settle, &QTimer::timeout, q, [this] { Q_EMIT q->edited(scheme, true); });
}

void ActivationStrip::Private::chooseRange(Range chosen)
{
    ActivationScheme changed = *scheme;
    changed.range = chosen;
    changed.rangeLow = 0;
    changed.rangeParameter = 0;
    if (chosen == Range::Percentile)
        changed.rangeParameter = kUsualPercentile;
    if (chosen == Range::Absolute) {
        changed.rangeParameter = scheme->range == Range::Absolute ? scheme->rangeParameter : 1;
        changed.rangeLow = changed.symmetry == Symmetry::Asymmetric ? -changed.rangeParameter : 0;
    }
    edit(changed);
}

void ActivationStrip::Private::edit(ActivationScheme changed, bool finished)
{
    if (finished)
        settle.stop();
    scheme = last = mended(changed);
    show();
    Q_EMIT q->edited(scheme, finished);
}

void ActivationStrip::Private::show()
{
    const ActivationScheme& shown = scheme ? *scheme : last;
    format->setFormat(scheme ? std::optional(scheme->format) : std::nullopt);
    symmetry->setCurrent(scheme ? int(shown.symmetry) : -1);
    granularity->setCurrent(scheme ? int(shown.granularity) : -1);
    codes->setCurrent(scheme ? int(shown.codes) : -1);
    if (groupSize->findData(shown.groupSize) < 0)
        groupSize->addItem(QString::number(shown.groupSize), shown.groupSize);
    groupSize->setCurrentIndex(groupSize->findData(shown.groupSize));
    range->setCurrentIndex(scheme ? range->findData(int(shown.range)) : -1);
    kind->setText(!scheme ? tr("full precision") : shown.isStatic() ? tr("static") : tr("dynamic"));
    kind->setToolTip(!scheme ? QString()
                     : shown.isStatic() ? tr("Ranges come from the calibration and stay as they are.")
                                        : tr("Ranges follow the values while the model runs."));
    showRange();
    enable();
}

void ActivationStrip::Private::showRange()
{
    const QSignalBlocker blockLow(low), blockHigh(high);
    const ActivationScheme shown = scheme.value_or(last);
    const bool percentile = shown.range == Range::Percentile, absolute = shown.range == Range::Absolute;
    high->setRange(percentile ? 50 : 0, percentile ? 100 : kMost);
    high->setSingleStep(percentile ? 0.05 : std::max(1e-6, std::abs(shown.rangeParameter) / 50));
    high->setSuffix(percentile ? QStringLiteral(" %") : QString());
    low->setRange(-kMost, 0);
    low->setSingleStep(std::max(1e-6, std::abs(shown.rangeLow) / 50));
    // An edit that goes on must not be rewritten under the fingers.
    if (high->value() != shown.rangeParameter)
        high->setValue(shown.rangeParameter);
    if (low->value() != shown.rangeLow)
        low->setValue(shown.rangeLow);
    const bool two = absolute && shown.symmetry == Symmetry::Asymmetric;
    high->setVisible(scheme && (percentile || absolute));
    low->setVisible(scheme && two);
    high->setToolTip(percentile ? tr("Share of the values inside the limits, in percent.")
                                : tr("Upper limit, in units of the activation."));
    low->setToolTip(tr("Lower limit, in units of the activation."));
}

void ActivationStrip::Private::enable()
{
    const QString off = tr("Choose a format first.");
    const ActivationScheme shown = scheme.value_or(last);
    const FormatTraits& row = traits(shown.format);
    const QString name = fromStd(row.label);
    symmetry->setOptionEnabled(0, scheme.has_value(), off);
    symmetry->setOptionEnabled(1, scheme && row.choosesSymmetry,
                               scheme ? tr("%1 has no zero point; integers do.").arg(name) : off);
    codes->setOptionEnabled(0, scheme.has_value(), off);
    codes->setOptionEnabled(1, scheme && row.choosesRange && shown.symmetry == Symmetry::Symmetric,
                            scheme ? tr("The full range is a choice of symmetric integers.") : off);
    const bool grouped = scheme && shown.granularity == Per::Group && row.choosesGranularity;
    groupSize->setEnabled(grouped);
    groupSize->setToolTip(grouped  ? tr("Neighbouring channels of a token that share a scale.")
                          : scheme ? tr("Only groups have a size of their own: choose “Group”.")
                                   : off);
    enableGranularity();
    enableRanges();
}

void ActivationStrip::Private::enableGranularity()
{
    for (int option = 0; option < 4; ++option) {
        ActivationScheme trial = scheme.value_or(last);
        trial.granularity = Per(option);
        trial.range = Range::MinMax;
        trial.rangeParameter = trial.rangeLow = 0;
        QString why = scheme ? refusal(trial) : tr("Choose a format first.");
        if (why.isEmpty() && trial.isStatic() && !obstacle.isEmpty())
            why = obstacle;
        // What is in force stays visible as such, even where it can no longer be chosen.
        granularity->setOptionEnabled(option, why.isEmpty(), why);
    }
}

void ActivationStrip::Private::enableRanges()
{
    range->setEnabled(scheme && traits(scheme->format).choosesClip);
    range->setToolTip(!scheme              ? tr("Choose a format first.")
                      : range->isEnabled() ? rangeSummary(scheme->range)
                                           : tr("This format fixes its own range."));
    for (int row = 0; row < range->count(); ++row) {
        ActivationScheme trial = scheme.value_or(last);
        trial.range = Range(range->itemData(row).toInt());
        trial.rangeParameter = trial.range == Range::Percentile ? kUsualPercentile : trial.range == Range::Absolute ? 1 : 0;
        trial.rangeLow = trial.range == Range::Absolute && trial.symmetry == Symmetry::Asymmetric ? -1 : 0;
        const QString why = refusal(trial);
        range->setItemData(row, why.isEmpty() ? rangeSummary(trial.range) : why, Qt::ToolTipRole);
        // The views of a combo box take this role for what QStandardItem keeps as its flags.
        range->setItemData(row, why.isEmpty() ? QVariant() : QVariant(0), Qt::UserRole - 1);
    }
}

ActivationStrip::ActivationStrip(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->build();
    d->arrange();
    d->connectAll();
    d->show();
}

ActivationStrip::~ActivationStrip() = default;

void ActivationStrip::setScheme(const std::optional<ActivationScheme>& scheme)
{
    if (scheme == d->scheme)
        return;
    d->settle.stop();
    d->scheme = scheme;
    if (scheme)
        d->last = *scheme;
    d->show();
}

const std::optional<ActivationScheme>& ActivationStrip::scheme() const
{
    return d->scheme;
}

void ActivationStrip::setStaticObstacle(const QString& why)
{
    if (why == d->obstacle)
        return;
    d->obstacle = why;
    d->enable();
}

} // namespace ql
