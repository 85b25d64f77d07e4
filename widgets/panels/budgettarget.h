// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// BudgetTarget: a size as a slider, in bits per weight of the whole model and in bytes; the three follow each other.
// GUI thread.
#pragma once

#include <QWidget>

class QDoubleSpinBox;
class QSlider;

namespace ql {

class BudgetTarget : public QWidget
{
    Q_OBJECT
public:
    explicit BudgetTarget(QWidget* parent = nullptr);

    /// Sizes that can be chosen, for a model of so many parameters; disabled until there are some.
    void setRange(quint64 smallest, quint64 largest, quint64 parameters);
    void clear();
    quint64 bytes() const { return m_bytes; }
    void setBytes(quint64 bytes); ///< emits nothing

Q_SIGNALS:
    void changed(quint64 bytes); ///< by the user, while the slider moves as well

private:
    void show();
    void choose(double bytes);

    QSlider* m_slider;
    QDoubleSpinBox *m_bits, *m_size;
    quint64 m_smallest = 0, m_largest = 0, m_parameters = 1, m_bytes = 0;
    double m_bytesPerUnit = 1;
};

} // namespace ql
