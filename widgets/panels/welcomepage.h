// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// WelcomePage: what a person sees with no model open.
#pragma once

#include <QWidget>

#include <memory>

namespace ql {

class WelcomePage : public QWidget
{
    Q_OBJECT
public:
    enum class Task { SeeALayer, CompareInt4WithNf4, MakeAPolicy };
    explicit WelcomePage(QWidget* parent = nullptr);
    ~WelcomePage() override;
    void setRecentModels(const QStringList& paths); ///< missing ones are greyed

Q_SIGNALS:
    void openFileRequested();
    void openFolderRequested();
    void openPathRequested(const QString& path); ///< recent entry or drop
    void openBundledRequested(bool withOutliers);
    void taskRequested(ql::WelcomePage::Task task);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
