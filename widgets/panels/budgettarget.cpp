// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/budgettarget.h"

#include "widgets/models/numbertext.h"
#include "widgets/theme.h"

#include <QDoubleSpinBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QSignalBlocker>
#include <QSlider>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr int kSteps = 2000; ///< of the slider
constexpr int kDecimals = 3;

QDoubleSpinBox* numberBox(const QString& name, const QString& tip)
{
    auto* box = new QDoubleSpinBox;
    box->setLocale(QLocale::c());
    box->setDecimals(kDecimals);
    box->setKeyboardTracking(false);
    box->setAlignment(Qt::AlignRight);
    box->setAccessibleName(name);
    box->setToolTip(tip);
    return box;
}

/// Rounded outwards, so that the ends of the range can be reached and typed.
void setBoxRange(QDoubleSpinBox* box, double lo, double hi)
{
    const double unit = std::pow(10.0, kDecimals);
    box->setRange(std::floor(lo * unit) / unit, std::ceil(hi * unit) / unit);
}

} // namespace

BudgetTarget::BudgetTarget(QWidget* parent)
    : QWidget(parent), m_slider(new QSlider(Qt::Horizontal)),
      m_bits(numberBox(tr("Target in bits per weight"),
                       tr("Bytes of all tensors × 8 ÷ parameters of the model, kept tensors included"))),
      m_size(numberBox(tr("Target size"), tr("Bytes of all tensors, kept ones included (1 MB = 1e6 bytes); headers of "
                                             "files are not counted")))
{
    m_slider->setRange(0, kSteps);
    m_slider->setPageStep(kSteps / 20);
    m_slider->setSingleStep(kSteps / 200);
    m_slider->setMinimumWidth(80);
    m_slider->setAccessibleName(tr("Target"));
    m_slider->setToolTip(tr("The policy may take so much; the least error of that size is found while you drag"));
    m_bits->setSingleStep(0.05);
    auto* label = new QLabel(tr("Budget"));
    label->setBuddy(m_slider);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(theme::kSpacing);
    row->addWidget(label);
    row->addWidget(m_slider, 1);
    row->addWidget(m_bits);
    row->addWidget(m_size);
    connect(m_slider, &QSlider::valueChanged, this, [this](int value) {
        choose(double(m_smallest) + double(m_largest - m_smallest) * value / kSteps);
    });
    connect(m_bits, &QDoubleSpinBox::valueChanged, this, [this](double bits) { choose(bits / 8 * double(m_parameters)); });
    connect(m_size, &QDoubleSpinBox::valueChanged, this, [this](double size) { choose(size * m_bytesPerUnit); });
    clear();
}

void BudgetTarget::setRange(quint64 smallest, quint64 largest, quint64 parameters)
{
    const QSignalBlocker slider(m_slider), bits(m_bits), size(m_size);
    m_smallest = smallest;
    m_largest = largest;
    m_parameters = std::max<quint64>(1, parameters);
    const ColumnUnit unit = bytesUnit(10 * double(largest)); // one digit before the point is enough with three behind
    m_bytesPerUnit = unit.divisor;
    setBoxRange(m_bits, 8 * double(smallest) / double(m_parameters), 8 * double(largest) / double(m_parameters));
    setBoxRange(m_size, double(smallest) / m_bytesPerUnit, double(largest) / m_bytesPerUnit);
    m_size->setSingleStep((m_size->maximum() - m_size->minimum()) / 100);
    m_bits->setSuffix(tr(" bits/weight"));
    m_size->setSuffix(QLatin1Char(' ') + unit.name);
    m_bits->setSpecialValueText({});
    m_size->setSpecialValueText({});
    setEnabled(true);
    setBytes(m_bytes);
}

void BudgetTarget::clear()
{
    const QSignalBlocker slider(m_slider), bits(m_bits), size(m_size);
    m_smallest = m_largest = m_bytes = 0;
    for (QDoubleSpinBox* box : {m_bits, m_size}) {
        box->setRange(0, 0);
        box->setSpecialValueText(kNothingText);
        box->setSuffix(QString());
    }
    m_slider->setValue(0);
    setEnabled(false);
}

void BudgetTarget::setBytes(quint64 bytes)
{
    m_bytes = std::clamp(bytes, m_smallest, m_largest);
    show();
}

void BudgetTarget::show()
{
    const QSignalBlocker slider(m_slider), bits(m_bits), size(m_size);
    const double span = double(m_largest - m_smallest);
    m_slider->setValue(span > 0 ? int(std::lround(double(m_bytes - m_smallest) / span * kSteps)) : 0);
    m_bits->setValue(8 * double(m_bytes) / double(m_parameters));
    m_size->setValue(double(m_bytes) / m_bytesPerUnit);
}

void BudgetTarget::choose(double bytes)
{
    m_bytes = std::clamp(quint64(std::max(0.0, bytes)), m_smallest, m_largest);
    show();
    Q_EMIT changed(m_bytes);
}

} // namespace ql
