// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ActivationInvitation: what stands on the Activations page while there is nothing to show - why, and how to get it.
#pragma once

#include <QWidget>

class QLabel;
class QPushButton;

namespace ql {

enum class CalibrationState;

class ActivationInvitation : public QWidget
{
    Q_OBJECT
public:
    explicit ActivationInvitation(QWidget* parent = nullptr);

    void setState(CalibrationState state, const QString& detail);

Q_SIGNALS:
    void calibrateWanted();
    void importWanted();

private:
    QLabel *m_title, *m_text;
    QPushButton *m_calibrate, *m_import;
};

} // namespace ql
