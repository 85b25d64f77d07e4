// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/schemeform.h"

#include "core/quant/clip.h"
#include "widgets/models/coretext.h"
#include "widgets/models/numbertext.h"
#include "widgets/panels/formatcombo.h"
#include "widgets/panels/numberspinbox.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/plots/clipmethodname.h"
#include "widgets/theme.h"

#include <QCheckBox>
#include <QDoubleSpinBox>
#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QRegularExpressionValidator>
#include <QSignalBlocker>
#include <QSlider>
#include <QStandardItemModel>
#include <QTimer>

#include <algorithm>

namespace ql {
namespace {

constexpr int kClipDecimals = 6;
constexpr double kClipSmallest = 1e-6; ///< above the methods' lowest value, which itself is not allowed
constexpr int kWeightGroups[] = {16, 32, 64, 128, 256, 512, 1024};
constexpr std::pair<ScaleType, const char*> kScaleTypes[] = {{ScaleType::F32, "f32"},
                                                            {ScaleType::F16, "f16"},
                                                            {ScaleType::BF16, "bf16"},
                                                            {ScaleType::E8M0, "e8m0"},
                                                            {ScaleType::E4M3, "e4m3"}};

/// Integer formats by width, as the slider counts them.
std::optional<Format> integerOf(int bits)
{
    for (const FormatTraits& format : schemeTable()) {
        if (format.kind == FormatKind::Integer && format.bits == bits)
            return format.format;
    }
    return {};
}

} // namespace

struct SchemeForm::Private {
    SchemeForm* q;
    Scheme scheme;
    SchemeFields mixed;
    QGridLayout* grid;
    QList<QLabel*> labels;

    FormatCombo* format;
    QSlider* bits;
    QLabel* bitsText;
    SegmentedChoice* symmetry;
    SegmentedChoice* range;
    SegmentedChoice* granularity;
    QComboBox* groupSize;
    QComboBox* clip;
    QDoubleSpinBox* clipParameter;
    QLabel* clipSummary;
    SegmentedChoice* rounding;
    QLineEdit* seed;
    QComboBox* scaleType;
    QCheckBox* doubleQuant;
    QCheckBox* importance;
    QTimer settle;
    std::optional<SchemeField> moving;

    QWidget* pair(QWidget* wide, QWidget* narrow);
    void addRow(const QString& label, QWidget* control, QWidget* named = nullptr);
    void buildGrid();
    void buildScale();
    void buildClip();
    void connectGrid();
    void connectRest();
    void change(SchemeField field, bool finished = true);
    void chooseFormat(Format chosen, bool finished);
    void finish();
    void show();
    void showClip();
    void enable();
};

QWidget* SchemeForm::Private::pair(QWidget* wide, QWidget* narrow)
{
    auto* box = new QWidget(q);
    auto* row = new QHBoxLayout(box);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(theme::kSpacing);
    row->addWidget(wide, 1);
    row->addWidget(narrow);
    return box;
}

void SchemeForm::Private::addRow(const QString& label, QWidget* control, QWidget* named)
{
    auto* text = new QLabel(label, q);
    QWidget* target = named ? named : control;
    text->setBuddy(target);
    target->setAccessibleName(label);
    const int row = grid->rowCount();
    grid->addWidget(text, row, 0);
    grid->addWidget(control, row, 1);
    labels << text;
}

void SchemeForm::Private::buildGrid()
{
    format = new FormatCombo(q);
    addRow(tr("Format"), format);
    bits = new QSlider(Qt::Horizontal, q);
    int lowest = 64, highest = 0;
    for (const FormatTraits& row : schemeTable()) {
        if (row.kind == FormatKind::Integer) {
            lowest = std::min(lowest, row.bits);
            highest = std::max(highest, row.bits);
        }
    }
    bits->setRange(lowest, highest);
    bits->setPageStep(1);
    bits->setTickInterval(1);
    bits->setTickPosition(QSlider::TicksBelow);
    bitsText = new QLabel(q);
    bitsText->setFont(theme::numberFont());
    bitsText->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    bitsText->setFixedWidth(bitsText->fontMetrics().horizontalAdvance(tr("mixed")) + 4);
    addRow(tr("Bits"), pair(bits, bitsText), bits);
    symmetry = new SegmentedChoice({tr("Symmetric"), tr("Asymmetric")}, q);
    symmetry->setOptionToolTip(0, tr("x̂ = s·q: zero is a level, positive and negative limits are equal."));
    symmetry->setOptionToolTip(1, tr("x̂ = s·(q − z): a zero point z lets the two limits differ."));
    addRow(tr("Symmetry"), symmetry);
    range = new SegmentedChoice({tr("Strict"), tr("Full")}, q);
    range->setOptionToolTip(0, tr("Codes −Q…Q with Q = 2^(b−1) − 1; the lowest code stays unused."));
    range->setOptionToolTip(1, tr("All 2^b codes, from −2^(b−1); the scale is limit / ((2^b − 1) / 2)."));
    addRow(tr("Range"), range);
    granularity = new SegmentedChoice({tr("Tensor"), tr("Channel"), tr("Group")}, q);
    granularity->setOptionToolTip(0, tr("One scale for the whole tensor."));
    granularity->setOptionToolTip(1, tr("One scale per output channel (row)."));
    granularity->setOptionToolTip(2, tr("One scale per group of neighbouring values along a row."));
    addRow(tr("Scale per"), granularity);
    groupSize = new QComboBox(q);
    for (const int size : kWeightGroups)
        groupSize->addItem(QString::number(size), size);
    addRow(tr("Group size"), groupSize);
}

void SchemeForm::Private::buildClip()
{
    clip = new QComboBox(q);
    for (const ClipMethodInfo& method : clipMethods()) {
        clip->addItem(fromStd(method.label), int(method.method));
        clip->setItemData(clip->count() - 1, fromStd(method.summary), Qt::ToolTipRole);
    }
    clipParameter = new NumberSpinBox(q);
    clipParameter->setLocale(QLocale::c());
    clipParameter->setDecimals(kClipDecimals);
    clipParameter->setFixedWidth(clipParameter->fontMetrics().horizontalAdvance('0') * 11);
    clipParameter->setAccessibleName(tr("Parameter of the clip method"));
    addRow(tr("Clipping"), pair(clip, clipParameter), clip);
    clipSummary = new QLabel(q);
    clipSummary->setFont(theme::smallFont());
    clipSummary->setWordWrap(true);
    clipSummary->setMinimumHeight(clipSummary->fontMetrics().lineSpacing() * 2);
    clipSummary->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    clipSummary->setForegroundRole(QPalette::PlaceholderText);
    grid->addWidget(clipSummary, grid->rowCount(), 1);
}

void SchemeForm::Private::buildScale()
{
    rounding = new SegmentedChoice({tr("Nearest"), tr("Stochastic")}, q);
    rounding->setOptionToolTip(0, tr("Round half to even, unless the format defines otherwise."));
    rounding->setOptionToolTip(1, tr("Up with the probability of the remainder; the same seed gives the same bytes."));
    seed = new QLineEdit(q);
    seed->setFixedWidth(seed->fontMetrics().horizontalAdvance('0') * 6);
    seed->setAccessibleName(tr("Seed"));
    seed->setValidator(new QRegularExpressionValidator(QRegularExpression(QStringLiteral("[0-9]{1,19}")), seed));
    addRow(tr("Rounding"), pair(rounding, seed), rounding);
    scaleType = new QComboBox(q);
    for (const auto& [type, name] : kScaleTypes)
        scaleType->addItem(QString::fromLatin1(name), int(type));
    doubleQuant = new QCheckBox(tr("Double"), q);
    doubleQuant->setAccessibleName(tr("Double quantization"));
    addRow(tr("Scales"), pair(scaleType, doubleQuant), scaleType);
    importance = new QCheckBox(tr("By importance"), q);
    addRow(tr("Errors"), importance);
    importance->setAccessibleName(tr("Weigh errors by importance"));
}

void SchemeForm::Private::connectGrid()
{
    connect(format, &FormatCombo::formatChosen, q, [this](Format chosen) { chooseFormat(chosen, true); });
    connect(bits, &QSlider::valueChanged, q, [this](int value) {
        if (const auto chosen = integerOf(value))
            chooseFormat(*chosen, !bits->isSliderDown());
    });
    connect(bits, &QSlider::sliderReleased, q, [this] { finish(); });
    connect(symmetry, &SegmentedChoice::chosen, q, [this](int option) {
        scheme.symmetry = Symmetry(option);
        change(SchemeField::Symmetry);
    });
    connect(range, &SegmentedChoice::chosen, q, [this](int option) {
        scheme.range = CodeRange(option);
        change(SchemeField::Range);
    });
    connect(granularity, &SegmentedChoice::chosen, q, [this](int option) {
        scheme.granularity = Granularity(option);
        change(SchemeField::Granularity);
    });
    connect(groupSize, &QComboBox::activated, q, [this] {
        scheme.granularity = Granularity::Group;
        scheme.groupSize = groupSize->currentData().toInt();
        change(SchemeField::Granularity);
    });
}

void SchemeForm::Private::connectRest()
{
    connect(clip, &QComboBox::activated, q, [this] {
        scheme.clip = ClipMethod(clip->currentData().toInt());
        scheme.clipParameter = clipMethodInfo(scheme.clip).defaultParameter;
        change(SchemeField::Clip);
    });
    connect(clipParameter, &QDoubleSpinBox::valueChanged, q, [this](double value) {
        scheme.clipParameter = value;
        change(SchemeField::Clip, false);
        settle.start();
    });
    connect(clipParameter, &QDoubleSpinBox::editingFinished, q, [this] { finish(); });
    connect(rounding, &SegmentedChoice::chosen, q, [this](int option) {
        scheme.rounding = Rounding(option);
        change(SchemeField::Rounding);
    });
    connect(seed, &QLineEdit::editingFinished, q, [this] {
        const uint64_t value = seed->text().toULongLong();
        if (scheme.seed == value && !mixed.testFlag(SchemeField::Rounding))
            return;
        scheme.seed = value;
        change(SchemeField::Rounding);
    });
    connect(scaleType, &QComboBox::activated, q, [this] {
        scheme.scaleType = ScaleType(scaleType->currentData().toInt());
        change(SchemeField::ScaleType);
    });
    connect(doubleQuant, &QCheckBox::clicked, q, [this](bool checked) {
        doubleQuant->setTristate(false);
        scheme.doubleQuant = checked;
        change(SchemeField::DoubleQuant);
    });
    connect(importance, &QCheckBox::clicked, q, [this](bool checked) {
        importance->setTristate(false);
        scheme.importance = checked;
        change(SchemeField::Importance);
    });
    settle.setSingleShot(true);
    settle.setInterval(kSpinSettleMs);
    connect(&settle, &QTimer::timeout, q, [this] { finish(); });
}

void SchemeForm::Private::chooseFormat(Format chosen, bool finished)
{
    scheme = withFormat(scheme, chosen);
    change(SchemeField::Format, finished);
}

void SchemeForm::Private::change(SchemeField field, bool finished)
{
    mixed.setFlag(field, false);
    scheme = reconciled(scheme);
    moving = finished ? std::nullopt : std::optional(field);
    show();
    Q_EMIT q->edited(field, finished);
}

void SchemeForm::Private::finish()
{
    settle.stop();
    if (moving)
        Q_EMIT q->edited(*std::exchange(moving, std::nullopt), true);
}

void SchemeForm::Private::show()
{
    const bool anyFormat = mixed.testFlag(SchemeField::Format);
    format->setFormat(anyFormat ? std::nullopt : std::optional(scheme.format));
    const FormatTraits& row = traits(scheme.format);
    {
        const QSignalBlocker blocker(bits);
        bits->setValue(std::clamp(row.bits, bits->minimum(), bits->maximum()));
    }
    bitsText->setText(anyFormat ? tr("mixed") : QString::number(row.bits));
    const SchemeFields stated = statedFields(scheme);
    const auto silent = [&](SchemeField field) { return mixed.testFlag(field) || !stated.testFlag(field); };
    const auto segment = [&](SegmentedChoice* choice, SchemeField field, int option) {
        choice->setCurrent(silent(field) ? -1 : option);
    };
    segment(symmetry, SchemeField::Symmetry, int(scheme.symmetry));
    segment(range, SchemeField::Range, scheme.symmetry == Symmetry::Asymmetric ? 1 : int(scheme.range));
    segment(granularity, SchemeField::Granularity, int(scheme.granularity));
    segment(rounding, SchemeField::Rounding, int(scheme.rounding));
    if (groupSize->findData(scheme.groupSize) < 0 && scheme.groupSize > 0)
        groupSize->addItem(QString::number(scheme.groupSize), scheme.groupSize);
    const auto choose = [&](QComboBox* box, SchemeField field, int option) {
        box->setPlaceholderText(mixed.testFlag(field) ? tr("mixed") : kNothingText);
        box->setCurrentIndex(silent(field) ? -1 : option);
    };
    choose(groupSize, SchemeField::Granularity, groupSize->findData(scheme.groupSize));
    if (!seed->hasFocus() || seed->text().toULongLong() != scheme.seed)
        seed->setText(mixed.testFlag(SchemeField::Rounding) || scheme.rounding == Rounding::Nearest
                          ? QString()
                          : QString::number(scheme.seed));
    seed->setPlaceholderText(mixed.testFlag(SchemeField::Rounding) ? tr("mixed") : tr("seed"));
    choose(scaleType, SchemeField::ScaleType, scaleType->findData(int(scheme.scaleType)));
    choose(clip, SchemeField::Clip, clip->findData(int(scheme.clip)));
    const auto check = [this](QCheckBox* box, SchemeField field, bool on) {
        box->setCheckState(mixed.testFlag(field) ? Qt::PartiallyChecked : on ? Qt::Checked : Qt::Unchecked);
    };
    check(doubleQuant, SchemeField::DoubleQuant, scheme.doubleQuant);
    check(importance, SchemeField::Importance, scheme.importance);
    showClip();
    enable();
}

void SchemeForm::Private::showClip()
{
    const bool anyClip = mixed.testFlag(SchemeField::Clip);
    const ClipMethodInfo& method = clipMethodInfo(scheme.clip);
    const QString fixed = whyFixed(SchemeField::Clip, scheme);
    clipSummary->setText(anyClip            ? tr("The selected tensors are clipped in different ways.")
                         : !fixed.isEmpty() ? fixed
                                            : fromStd(method.summary));
    const QSignalBlocker blocker(clipParameter);
    clipParameter->setVisible(!anyClip && fixed.isEmpty() && !method.parameter.empty());
    clipParameter->setRange(method.lowest + kClipSmallest, method.highest);
    clipParameter->setStepType(method.highest > 100 ? QAbstractSpinBox::AdaptiveDecimalStepType
                                                    : QAbstractSpinBox::DefaultStepType);
    clipParameter->setSingleStep(method.highest <= 1 ? 0.01 : 0.1);
    if (clipParameter->value() != scheme.clipParameter)
        clipParameter->setValue(scheme.clipParameter);
    const QString meaning = fromStd(method.parameter);
    clipParameter->setToolTip(tr("%1: more than %2, up to %3")
                                  .arg(meaning, numberText(method.lowest), numberText(method.highest)));
}

void SchemeForm::Private::enable()
{
    const SchemeFields open = choosableFields(scheme);
    const auto set = [&](QWidget* control, SchemeField field, const QString& meaning) {
        control->setEnabled(open.testFlag(field));
        const QString why = whyFixed(field, scheme);
        control->setToolTip(why.isEmpty() ? meaning : why);
    };
    set(symmetry, SchemeField::Symmetry, tr("Whether the two limits of a group are equal."));
    set(range, SchemeField::Range, tr("Whether the lowest code is used."));
    set(granularity, SchemeField::Granularity, tr("How many values share one scale."));
    set(groupSize, SchemeField::Granularity, tr("Values along a row that share one scale."));
    if (groupSize->isEnabled() && scheme.granularity != Granularity::Group) {
        groupSize->setEnabled(false);
        groupSize->setToolTip(tr("Only groups have a size: choose “Group” above."));
    }
    set(clip, SchemeField::Clip, tr("Where the range is cut before the scale is chosen."));
    clipParameter->setEnabled(open.testFlag(SchemeField::Clip));
    set(rounding, SchemeField::Rounding, tr("How values between two levels are rounded."));
    set(seed, SchemeField::Rounding, tr("Seed: the same number gives the same bytes on every device."));
    if (seed->isEnabled() && scheme.rounding == Rounding::Nearest) {
        seed->setEnabled(false);
        seed->setToolTip(tr("Only stochastic rounding draws random numbers."));
    }
    set(scaleType, SchemeField::ScaleType, tr("How each scale is stored."));
    set(doubleQuant, SchemeField::DoubleQuant,
        tr("Double quantization: the scales themselves are stored as 8-bit codes in blocks of 256 (QLoRA)."));
    set(importance, SchemeField::Importance,
        tr("Importance matrix: the error of each weight counts as the mean square of the input that it meets. Needs a "
           "calibration, or an imported importance matrix."));
    const bool integer = traits(scheme.format).kind == FormatKind::Integer || mixed.testFlag(SchemeField::Format);
    bits->setEnabled(integer);
    bits->setToolTip(integer ? tr("Width of an integer code.")
                             : tr("The width of %1 is fixed; integers can be set from %2 to %3 bits.")
                                   .arg(fromStd(traits(scheme.format).label))
                                   .arg(bits->minimum())
                                   .arg(bits->maximum()));
    for (QLabel* label : labels)
        label->setEnabled(label->buddy()->isEnabledTo(q));
}

SchemeForm::SchemeForm(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->grid = new QGridLayout(this);
    d->grid->setContentsMargins(0, 0, 0, 0);
    d->grid->setHorizontalSpacing(theme::kSpacing);
    d->grid->setVerticalSpacing(theme::kSpacing / 2);
    d->grid->setColumnStretch(1, 1);
    d->buildGrid();
    d->buildClip();
    d->buildScale();
    d->connectGrid();
    d->connectRest();
    d->show();
    setOutputClip(false, tr("Needs a calibration: Model > Calibrate."));
}

SchemeForm::~SchemeForm() = default;

void SchemeForm::setOutputClip(bool possible, const QString& why)
{
    const int row = d->clip->findData(int(ClipMethod::Output));
    static_cast<QStandardItemModel*>(d->clip->model())->item(row)->setEnabled(possible);
    d->clip->setItemData(row, possible ? fromStd(clipMethodInfo(ClipMethod::Output).summary) : why, Qt::ToolTipRole);
}

void SchemeForm::setScheme(const Scheme& scheme, SchemeFields mixed)
{
    d->scheme = scheme;
    d->mixed = mixed;
    d->show();
}

const Scheme& SchemeForm::scheme() const
{
    return d->scheme;
}

} // namespace ql
