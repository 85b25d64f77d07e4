// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/kvstrip.h"

#include "core/quant/schemetable.h"
#include "widgets/models/numbertext.h"
#include "widgets/panels/formatcombo.h"
#include "widgets/panels/numberspinbox.h"
#include "widgets/panels/plotbar.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QTimer>
#include <QVBoxLayout>

namespace ql {
namespace {

constexpr int kMostTokens = 1 << 20;
constexpr int kKvGroups[] = {0, 8, 16, 32, 64, 128, 256};
constexpr double kKeptBits = 16;

} // namespace

struct KvStrip::Private {
    KvStrip* q;
    std::optional<KvScheme> scheme;
    KvScheme last; ///< what turning quantization on again brings back
    int headDim = 128;

    FormatCombo *keyFormat, *valueFormat;
    SegmentedChoice *axis, *symmetry;
    QComboBox* groupSize;
    QSpinBox *segment, *recent, *first;
    QLabel* bits;
    QTimer settle;

    void build();
    QHBoxLayout* makeFirstRow();
    QHBoxLayout* makeSecondRow();
    QSpinBox* spin(const QString& name, int lowest, const QString& tip);
    void connectAll();
    void edit(KvScheme changed);
    void show();
    void enable();
};

QSpinBox* KvStrip::Private::spin(const QString& name, int lowest, const QString& tip)
{
    auto* box = new QSpinBox(q);
    box->setLocale(QLocale::c());
    box->setRange(lowest, kMostTokens);
    box->setButtonSymbols(QAbstractSpinBox::NoButtons);
    box->setFixedWidth(box->fontMetrics().horizontalAdvance('0') * 6 + 12);
    box->setAccessibleName(name);
    box->setToolTip(tip);
    return box;
}

QHBoxLayout* KvStrip::Private::makeFirstRow()
{
    keyFormat = new FormatCombo(&KvScheme::takes, tr("Off"), q);
    keyFormat->setAccessibleName(tr("Format of the keys"));
    valueFormat = new FormatCombo(&KvScheme::takes, {}, q);
    valueFormat->setAccessibleName(tr("Format of the values"));
    for (FormatCombo* combo : {keyFormat, valueFormat}) {
        combo->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
        combo->setMinimumContentsLength(6);
    }
    axis = new SegmentedChoice({tr("Token"), tr("Channel")}, q);
    axis->setAccessibleName(tr("Scale of the keys per"));
    axis->setOptionToolTip(0, tr("One scale per token and head, as values always have."));
    axis->setOptionToolTip(1, tr("One scale per head channel over a segment of tokens: outlier channels of the keys then "
                                 "harm nobody else."));
    symmetry = new SegmentedChoice({tr("Sym."), tr("Asym.")}, q);
    symmetry->setAccessibleName(tr("Symmetry"));
    symmetry->setOptionToolTip(0, tr("Symmetric: x̂ = s·q, zero is a level."));
    symmetry->setOptionToolTip(1, tr("Asymmetric: x̂ = s·(q − z), a zero point z lets the two limits differ."));
    auto* row = plotbar::row();
    const auto label = [&](const QString& text, QWidget* buddy) {
        auto* one = new QLabel(text, q);
        one->setBuddy(buddy);
        row->addWidget(one);
        row->addWidget(buddy);
    };
    label(tr("Keys"), keyFormat);
    label(tr("per"), axis);
    label(tr("Values"), valueFormat);
    row->addWidget(symmetry);
    row->addStretch();
    return row;
}

QHBoxLayout* KvStrip::Private::makeSecondRow()
{
    groupSize = new QComboBox(q);
    for (const int size : kKvGroups)
        groupSize->addItem(size ? QString::number(size) : tr("head"), size);
    groupSize->setAccessibleName(tr("Channels per scale"));
    groupSize->setToolTip(tr("Channels of a head that share a scale, where scales are per token; “head”: all of them."));
    segment = spin(tr("Segment in tokens"), 1,
                   tr("Tokens that are quantized together. A segment stays in full precision until all of it is older than "
                      "the recent window."));
    recent = spin(tr("Recent tokens kept"), 0, tr("Newest tokens that stay in full precision."));
    first = spin(tr("First tokens kept"), 0,
                 tr("First tokens of a sequence that stay in full precision: many heads look at them all the time "
                    "(attention sinks)."));
    bits = new QLabel(q);
    bits->setFont(theme::smallFont());
    bits->setForegroundRole(QPalette::PlaceholderText);
    bits->setToolTip(tr("Bits per stored element in the long run, scales (f16) and zero points counted; 16 where kept."));
    auto* row = plotbar::row();
    for (const auto& [text, box] : std::initializer_list<std::pair<QString, QWidget*>>{
             {tr("Group"), groupSize}, {tr("Segment"), segment}, {tr("Recent"), recent}, {tr("First"), first}}) {
        auto* label = new QLabel(text, q);
        label->setBuddy(box);
        label->setToolTip(box->toolTip());
        row->addWidget(label);
        row->addWidget(box);
    }
    row->addWidget(bits);
    row->addStretch();
    return row;
}

void KvStrip::Private::build()
{
    settle.setSingleShot(true);
    settle.setInterval(kSpinSettleMs);
    auto* layout = new QVBoxLayout(q);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(4);
    for (QHBoxLayout* row : {makeFirstRow(), makeSecondRow()}) {
        row->setContentsMargins(theme::kSpacing, 0, theme::kSpacing, 0);
        layout->addLayout(row);
    }
    for (SegmentedChoice* choice : {axis, symmetry})
        choice->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
}

void KvStrip::Private::connectAll()
{
    connect(keyFormat, &FormatCombo::formatChosen, q, [this](Format chosen) {
        KvScheme changed = scheme.value_or(last);
        if (changed.valueFormat == changed.format)
            changed.valueFormat = chosen; // they went together before
        changed.format = chosen;
        edit(changed);
    });
    connect(keyFormat, &FormatCombo::offChosen, q, [this] {
        settle.stop();
        scheme.reset();
        show();
        Q_EMIT q->edited(scheme);
    });
    connect(valueFormat, &FormatCombo::formatChosen, q, [this](Format chosen) {
        KvScheme changed = *scheme;
        changed.valueFormat = chosen;
        edit(changed);
    });
    connect(axis, &SegmentedChoice::chosen, q, [this](int option) {
        KvScheme changed = *scheme;
        changed.keys = KvScheme::KeyAxis(option);
        edit(changed);
    });
    connect(symmetry, &SegmentedChoice::chosen, q, [this](int option) {
        KvScheme changed = *scheme;
        changed.symmetry = Symmetry(option);
        edit(changed);
    });
    connect(groupSize, &QComboBox::activated, q, [this] {
        KvScheme changed = *scheme;
        changed.groupSize = groupSize->currentData().toInt();
        edit(changed);
    });
    for (QSpinBox* box : {segment, recent, first}) {
        connect(box, &QSpinBox::valueChanged, q, [this] {
            scheme->segment = segment->value();
            scheme->recent = recent->value();
            scheme->first = first->value();
            last = *scheme;
            settle.start();
        });
    }
    connect(&settle, &QTimer::timeout, q, [this] {
        show();
        Q_EMIT q->edited(scheme);
    });
}

void KvStrip::Private::edit(KvScheme changed)
{
    settle.stop();
    if (!traits(changed.format).choosesSymmetry && !traits(changed.valueFormat).choosesSymmetry)
        changed.symmetry = KvScheme().symmetry;
    scheme = last = changed;
    show();
    Q_EMIT q->edited(scheme);
}

void KvStrip::Private::show()
{
    const KvScheme& shown = scheme ? *scheme : last;
    keyFormat->setFormat(scheme ? std::optional(scheme->format) : std::nullopt);
    valueFormat->setFormat(shown.valueFormat);
    axis->setCurrent(scheme ? int(shown.keys) : -1);
    if (groupSize->findData(shown.groupSize) < 0)
        groupSize->addItem(QString::number(shown.groupSize), shown.groupSize);
    groupSize->setCurrentIndex(groupSize->findData(shown.groupSize));
    for (const auto& [box, value] : {std::pair{segment, shown.segment}, {recent, shown.recent}, {first, shown.first}}) {
        const QSignalBlocker blocker(box);
        if (box->value() != value)
            box->setValue(value);
    }
    bits->setText(tr("%1 bits").arg(numberText(scheme ? scheme->bitsPerElement(headDim) : kKeptBits)));
    enable();
}

void KvStrip::Private::enable()
{
    const KvScheme& shown = scheme ? *scheme : last;
    const QString off = tr("Choose a format of the keys first.");
    const bool integers = traits(shown.format).choosesSymmetry || traits(shown.valueFormat).choosesSymmetry;
    symmetry->setCurrent(scheme && integers ? int(shown.symmetry) : -1);
    for (int option = 0; option < 2; ++option) {
        axis->setOptionEnabled(option, scheme.has_value(), off);
        symmetry->setOptionEnabled(option, scheme && integers, scheme ? tr("Only integers have a zero point to choose.") : off);
    }
    valueFormat->setEnabled(scheme.has_value());
    for (QWidget* box : std::initializer_list<QWidget*>{groupSize, segment, recent, first})
        box->setEnabled(scheme.has_value());
}

KvStrip::KvStrip(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->build();
    d->connectAll();
    d->show();
}

KvStrip::~KvStrip() = default;

void KvStrip::setScheme(const std::optional<KvScheme>& scheme)
{
    if (scheme == d->scheme)
        return;
    d->settle.stop();
    d->scheme = scheme;
    if (scheme)
        d->last = *scheme;
    d->show();
}

const std::optional<KvScheme>& KvStrip::scheme() const
{
    return d->scheme;
}

void KvStrip::setHeadDim(int headDim)
{
    d->headDim = headDim;
    d->show();
}

} // namespace ql
