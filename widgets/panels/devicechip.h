// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// DeviceChip: which device does the work; click to change.
#pragma once

#include <QList>
#include <QToolButton>

#include <memory>

namespace ql {

/// PoCL calls a processor "pthread-skylake-avx512-AMD EPYC": driver, code generator, brand. The brand is what people know:
/// "AMD EPYC (OpenCL)".
QString shortDeviceName(QString name);

class DeviceChip : public QToolButton
{
    Q_OBJECT
public:
    struct Entry {
        QString id, name, detail; ///< detail: self-test result, speed, or why it is not used
        bool usable = true;
        bool gpu = false;
    };
    explicit DeviceChip(QWidget* parent = nullptr);
    ~DeviceChip() override;
    /// `note` is not empty when the program fell back, and says why.
    void setDevices(const QList<Entry>& entries, const QString& currentId, const QString& note);

Q_SIGNALS:
    void deviceChosen(const QString& id);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
